// Runs a quantisation and tells: summary or JSON on stdout, report page and run folder on disk.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
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
    // The recipe of a run folder stays as it was given: run again, the result goes where that run says.
    const run = await quantizeFile(runtime, recipe, watch)
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
