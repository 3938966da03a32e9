// Writing one point of a compression: its file, under a name that tells the budget.
import { join, parse } from 'node:path'
import { report, throwIfCancelled, type Watch } from '../../base/index.ts'
import { writeFileAtomic, writeModelFile } from '../../onnx/index.node.ts'
import { readModel } from '../../onnx/index.ts'
import type { CompressRecipe } from '../../recipe/index.ts'
import { checkOutput, defaultOutput, weightsOf } from '../output.node.ts'
import type { WorkingForm } from '../working-form.ts'
import type { Budget } from './budget.ts'
import type { CompressedModel } from './compress-model.ts'

/** A file that was written. */
export interface WrittenPoint {
  readonly output: string
  readonly sizeBytes: number
}

/** What files are written by. */
export interface Writing {
  readonly recipe: CompressRecipe
  readonly budget: Budget
  readonly form: WorkingForm
}

/** Writes the file of a result. */
export async function writePoint(
  { bytes, target }: CompressedModel,
  { recipe, budget, form }: Writing,
  watch: Watch,
): Promise<WrittenPoint> {
  const output = outputOf(recipe, budget, target)
  checkOutput(output, [recipe.model])
  throwIfCancelled(watch.signal)
  report(watch, { step: 'write', done: 0, total: 1, message: output })
  // Measured with inputs that can be fed; the file has those of the model that came.
  const sizeBytes =
    form.notes.length === 0 && recipe.externalData === undefined
      ? await writeFileAtomic(output, bytes)
      : await writeModelFile(form.asGiven(readModel(bytes)), output, weightsOf(recipe))
  return { output, sizeBytes }
}

/** `model.macs50.onnx` beside the input; with several targets the ratio goes into every name. */
function outputOf(recipe: CompressRecipe, { name, targets }: Budget, target: number | undefined): string {
  const suffix = target === undefined ? 'compressed' : `${name}${Math.round(1000 * target) / 10}`
  if (recipe.output === undefined) return defaultOutput(recipe.model, suffix)
  if (targets.length === 1) return recipe.output
  const { dir, name: file } = parse(recipe.output)
  return join(dir, `${file}.${suffix}.onnx`)
}
