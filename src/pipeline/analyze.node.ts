// analyze: which layers lose what in integers, why, and what helps. The model stays as it is.
import { report, type Watch } from '../base/index.ts'
import { shareSamples } from '../data/index.ts'
import { readModelFile } from '../onnx/index.node.ts'
import type { AnalyzeRecipe } from '../recipe/index.ts'
import type { Runtime } from '../runtime/index.ts'
import { refuseQuantized } from './already-quantized.ts'
import { analyzeModel } from './analyze/analyze-model.ts'
import type { AnalyzeRun } from './analyze/run.ts'
import { withOverrides } from './overrides.node.ts'
import { CalibrationSamples } from './quantize/calibration-samples.ts'
import { openSamples } from './samples.node.ts'
import { workingForm } from './working-form.ts'

/**
 * Measures how much noise each layer of a model file alone brings to the outputs in integers, in its weights, its activations and
 * both, and says of each why and what would help.
 * @throws InputError, UnsupportedError, UsageError, CancelledError
 * @example
 * ```ts
 * const recipe = parseRecipe('analyze', { model: 'model.onnx', data: 'images' })
 * const { layers } = await analyzeFile(runtime, recipe)
 * for (const { name, noise, cause, remedy } of layers) console.log(name, noise.both, cause, remedy)
 * ```
 */
export async function analyzeFile(runtime: Runtime, given: AnalyzeRecipe, watch: Watch = {}): Promise<AnalyzeRun> {
  report(watch, { step: 'read', done: 0, total: 1, message: given.model })
  const recipe = await withOverrides(given)
  const model = await readModelFile(recipe.model)
  refuseQuantized(model, recipe.model, 'analyse')
  const form = workingForm(model, 'inference')
  const { labels, ...unlabelled } = recipe
  const dataset = await openSamples(unlabelled, form.model, recipe.data, watch)
  const { fit } = shareSamples(dataset.size, recipe.samples, { separate: true })
  const samples = new CalibrationSamples(dataset, fit, watch)
  const run = await analyzeModel(runtime, recipe, { original: form.model, samples }, watch)
  return { ...run, notes: [...model.notes, ...form.notes, ...run.notes] }
}
