// Runs a compression and tells of it.
import { join } from 'node:path'
import type { CompressRecipe } from '../pipeline/index.ts'
import { intoFolder, printRun } from './print-run.ts'
import { type RecipeFlags, withRuntime } from './session.ts'

export async function runCompress(given: CompressRecipe, flags: RecipeFlags): Promise<void> {
  const recipe = intoFolder(given, flags)
  await withRuntime(flags, async (runtime, watch) => {
    const { compressFile, compressJson, compressReport } = await import('../pipeline/index.node.ts')
    const cache = flags.run === undefined ? {} : { cacheFolder: join(flags.run, 'cache') }
    const run = await compressFile(runtime, recipe, { ...watch, ...cache })
    const files = [
      ...run.points.map((point) => ({ label: 'model', path: point.output })),
      ...run.points.flatMap(({ tuned }) => (tuned ? [{ label: 'tuned', path: tuned.output }] : [])),
      ...run.points.flatMap(({ quantized }) => (quantized ? [{ label: 'int8', path: quantized.output }] : [])),
    ]
    const page = `${run.points.at(-1)?.output}.report.html`
    await printRun({ report: compressReport(run, runtime), json: compressJson(run), files, page }, flags)
  })
}
