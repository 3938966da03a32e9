// Runs a fine-tuning, with curves while it runs, and tells of it.
import type { ProgressEvent } from '../base/index.ts'
import type { FinetuneRecipe } from '../pipeline/index.ts'
import { intoFolder, printRun } from './print-run.ts'
import { type RecipeFlags, withRuntime } from './session.ts'
import { sparkline } from './sparkline.ts'

export async function runFinetune(given: FinetuneRecipe, flags: RecipeFlags): Promise<void> {
  const recipe = intoFolder(given, flags)
  await withRuntime(flags, async (runtime, watch) => {
    const { finetuneFile, finetuneJson, finetuneReport } = await import('../pipeline/index.node.ts')
    const curve = sparkline()
    const progress = (event: ProgressEvent) =>
      watch.progress?.({ ...event, ...(event.step === 'train' ? { message: curve(event) } : {}) })
    const run = await finetuneFile(runtime, recipe, { ...watch, progress })
    const { output } = run
    const files = [{ label: 'model', path: output }]
    const report = finetuneReport(run, runtime)
    await printRun({ report, json: finetuneJson(run), files, page: `${output}.report.html` }, flags)
  })
}
