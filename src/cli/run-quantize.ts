// Runs a quantisation and tells: summary or JSON on stdout, report page and run folder on disk.
import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ProgressEvent } from '../base/index.ts'
import type { QuantizeRecipe } from '../pipeline/index.ts'
import { printJson, type RecipeFlags, withRuntime } from './session.ts'

export async function runQuantize(given: QuantizeRecipe, flags: RecipeFlags): Promise<void> {
  const folder = flags.run
  if (folder !== undefined) mkdirSync(folder, { recursive: true })
  const recipe =
    folder !== undefined && given.output === undefined ? { ...given, output: join(folder, 'model.onnx') } : given
  await withRuntime(flags, async (runtime, watch) => {
    const [
      { quantizeFile, quantizeJson, quantizeReport },
      { renderHtml, renderJson, renderSummary },
      { writeFileAtomic },
    ] = await Promise.all([
      import('../pipeline/index.node.ts'),
      import('../report/index.ts'),
      import('../onnx/index.node.ts'),
    ])
    const progress = (event: ProgressEvent) => {
      watch.progress?.(event)
      if (folder !== undefined) appendFileSync(join(folder, 'events.jsonl'), `${JSON.stringify(event)}\n`)
    }
    // As it was given: run again, the result goes where that run says.
    if (folder !== undefined) await writeFileAtomic(join(folder, 'recipe.json'), `${JSON.stringify(given, null, 2)}\n`)
    const run = await quantizeFile(runtime, recipe, { ...watch, progress })
    const page = folder === undefined ? `${run.output}.report.html` : join(folder, 'report.html')
    const withReport = folder !== undefined || flags.report !== false
    const report = {
      ...quantizeReport(run, runtime),
      files: [{ label: 'model', path: run.output }, ...(withReport ? [{ label: 'report', path: page }] : [])],
    }
    if (withReport) await writeFileAtomic(page, renderHtml(report))
    if (folder !== undefined) await writeFileAtomic(join(folder, 'report.json'), renderJson(report))
    if (flags.json) printJson(quantizeJson(run))
    else {
      const { columns, isTTY } = process.stdout
      process.stdout.write(`${renderSummary(report, { colour: isTTY === true, width: columns ?? 100 })}\n`)
    }
  })
}
