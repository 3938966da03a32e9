// Runs a quantisation and tells of it. A run folder keeps what the samples taught.
import { join } from 'node:path'
import type { QuantizeRecipe } from '../pipeline/index.ts'
import { intoFolder, printRun } from './print-run.ts'
import { type RecipeFlags, withRuntime } from './session.ts'

export async function runQuantize(given: QuantizeRecipe, flags: RecipeFlags): Promise<void> {
  const recipe = intoFolder(given, flags)
  await withRuntime(flags, async (runtime, watch) => {
    const [{ quantizeFile, quantizeJson, quantizeReport }, { writeFileAtomic }] = await Promise.all([
      import('../pipeline/index.node.ts'),
      import('../onnx/index.node.ts'),
    ])
    const run = await quantizeFile(runtime, recipe, watch)
    const { output } = run
    const files = [{ label: 'model', path: output }]
    if (run.encodings)
      files.push(
        { label: 'encodings', path: run.encodings.file },
        { label: 'float model of the encodings', path: run.encodings.model },
      )
    if (flags.run !== undefined && run.statistics) {
      const path = join(flags.run, 'statistics.json')
      await writeFileAtomic(path, `${JSON.stringify(run.statistics)}\n`)
      files.push({ label: 'statistics', path })
    }
    const report = quantizeReport(run, runtime)
    await printRun({ report, json: quantizeJson(run), files, page: `${output}.report.html` }, flags)
  })
}
