// Runs a fine-tuning and tells: summary or JSON on stdout, curves while it runs, report page and run folder on disk.
import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ProgressEvent } from '../base/index.ts'
import type { FinetuneRecipe } from '../pipeline/index.ts'
import { printJson, type RecipeFlags, withRuntime } from './session.ts'
import { sparkline } from './sparkline.ts'

export async function runFinetune(given: FinetuneRecipe, flags: RecipeFlags): Promise<void> {
  const folder = flags.run
  if (folder !== undefined) mkdirSync(folder, { recursive: true })
  const recipe =
    folder !== undefined && given.output === undefined ? { ...given, output: join(folder, 'model.onnx') } : given
  await withRuntime(flags, async (runtime, watch) => {
    const [
      { finetuneFile, finetuneJson, finetuneReport },
      { renderHtml, renderJson, renderSummary },
      { writeFileAtomic },
    ] = await Promise.all([
      import('../pipeline/index.node.ts'),
      import('../report/index.ts'),
      import('../onnx/index.node.ts'),
    ])
    const curve = sparkline()
    const progress = (event: ProgressEvent) => {
      watch.progress?.({ ...event, ...(event.step === 'train' ? { message: curve(event.message ?? '') } : {}) })
      if (folder !== undefined) appendFileSync(join(folder, 'events.jsonl'), `${JSON.stringify(event)}\n`)
    }
    if (folder !== undefined) await writeFileAtomic(join(folder, 'recipe.json'), `${JSON.stringify(recipe, null, 2)}\n`)
    const run = await finetuneFile(runtime, recipe, { ...watch, progress })
    const page = folder === undefined ? `${run.output}.report.html` : join(folder, 'report.html')
    const withReport = folder !== undefined || flags.report !== false
    const report = {
      ...finetuneReport(run, runtime),
      files: [{ label: 'model', path: run.output }, ...(withReport ? [{ label: 'report', path: page }] : [])],
    }
    if (withReport) await writeFileAtomic(page, renderHtml(report))
    if (folder !== undefined) await writeFileAtomic(join(folder, 'report.json'), renderJson(report))
    if (flags.json) printJson(finetuneJson(run))
    else {
      const { columns, isTTY } = process.stdout
      process.stdout.write(`${renderSummary(report, { colour: isTTY === true, width: columns ?? 100 })}\n`)
    }
  })
}
