// Runs a quantisation and tells of it.
import type { QuantizeRecipe } from '../pipeline/index.ts'
import { type RecipeFlags, withRuntime } from './session.ts'
import { intoFolder, tell } from './tell.ts'

export async function runQuantize(given: QuantizeRecipe, flags: RecipeFlags): Promise<void> {
  const recipe = intoFolder(given, flags)
  await withRuntime(flags, async (runtime, watch) => {
    const { quantizeFile, quantizeJson, quantizeReport } = await import('../pipeline/index.node.ts')
    const run = await quantizeFile(runtime, recipe, watch)
    const { output } = run
    const files = [{ label: 'model', path: output }]
    const report = quantizeReport(run, runtime)
    await tell({ report, json: quantizeJson(run), files, page: `${output}.report.html` }, flags)
  })
}
