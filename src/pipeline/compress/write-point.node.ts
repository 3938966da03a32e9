// Writing one point of a compression: its file, under a name that tells the budget.
import { join, parse } from 'node:path'
import { report, throwIfCancelled } from '../../base/index.ts'
import type { FittedLayer } from '../../compress/index.ts'
import { writeFileAtomic } from '../../onnx/index.node.ts'
import { type Model, readModel, writeModel } from '../../onnx/index.ts'
import type { FinetuneRun } from '../finetune.node.ts'
import { checkOutput, defaultOutput } from '../output.node.ts'
import type { QuantizeRun } from '../quantize/run.ts'
import type { CompressRecipe } from '../recipe.ts'
import type { Budget } from './budget.ts'
import type { LayerLatency } from './layer-latency.ts'
import type { Plan } from './plan.ts'
import type { Compressed, PointContext, PointMeasures } from './point.node.ts'

/** One model that was written, or why it was not. */
export interface CompressPoint {
  /** The share that was asked for; absent without one (--max-drop, --manual). */
  readonly target?: number
  readonly output: string
  readonly measures: PointMeasures
  readonly layers: readonly FittedLayer[]
  readonly model: Model
  readonly losses: ReadonlyMap<string, number>
  /** Times of the layers that changed, by name; of the last point only. */
  readonly layerLatency?: ReadonlyMap<string, LayerLatency>
  readonly sizeBytes: { readonly before: number; readonly after: number }
  readonly quantized?: QuantizeRun
  /** The compressed model after fine-tuning with the original as teacher. */
  readonly tuned?: FinetuneRun
  /** Why it was written only because of --force. */
  readonly forced?: string
}

interface PointToWrite {
  readonly plan: Plan
  readonly target?: number
  readonly compressed: Compressed
  readonly measures: PointMeasures
  readonly before: number
  readonly forced?: string
}

/** Writes the file of a point. */
export async function writePoint(
  context: PointContext,
  recipe: CompressRecipe,
  budget: Budget,
  count: number,
  { plan, target, compressed, measures, before, forced }: PointToWrite,
): Promise<CompressPoint> {
  const output = outputOf(recipe, budget, target, count)
  checkOutput(output, [recipe.model])
  throwIfCancelled(context.signal)
  report(context, 'write', 0, 1, output)
  // Measured with inputs that can be fed; the file has those of the model that came.
  const bytes =
    context.form.notes.length > 0 ? writeModel(context.form.asGiven(readModel(compressed.bytes))) : compressed.bytes
  await writeFileAtomic(output, bytes)
  return {
    output,
    measures,
    layers: compressed.layers,
    model: compressed.model,
    losses: plan.losses,
    sizeBytes: { before, after: bytes.byteLength },
    ...(target === undefined ? {} : { target }),
    ...(forced ? { forced } : {}),
  }
}

/** `model.macs50.onnx` beside the input; with several targets the ratio goes into every name. */
function outputOf(recipe: CompressRecipe, { kind }: Budget, target: number | undefined, count: number): string {
  const suffix = target === undefined ? 'compressed' : `${kind}${Math.round(1000 * target) / 10}`
  if (recipe.output === undefined) return defaultOutput(recipe.model, suffix)
  if (count === 1) return recipe.output
  const { dir, name } = parse(recipe.output)
  return join(dir, `${name}.${suffix}.onnx`)
}
