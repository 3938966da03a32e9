// Where quantisation-aware training starts from: biases corrected for what quantisation shifts, as `quantize` corrects them.
import type { Watch } from '../../base/index.ts'
import type { Batch } from '../../data/index.ts'
import { consumersOf, type Model, nodeName, Tensor } from '../../onnx/index.ts'
import { correctBias, type LayerSlots, type ShapedPair, slotsOf } from '../../quantize/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { batchSqnr } from '../score.ts'
import { biasTensor } from './layer-biases.ts'

/** Samples whose means biases are corrected with. */
export interface CorrectionSamples {
  readonly batches: AsyncIterable<Batch>
  /** Does a batch take no part, and tell whether the correction holds for others? */
  readonly validation: (batch: number) => boolean
}

/**
 * The biases that bias correction (arXiv 1906.04721, section 4.2) gives a model for its quantised form. Training then begins no
 * further from the float model than `quantize` ends: steps alone take long to find a shift, which is one sum.
 * @param pair the model as it is trained, and the Q/DQ model as it would be written without training
 * @returns constants of the float model, by name; none where the outputs are not closer with them on batches that took no part
 */
export async function correctedBiases(
  runtime: Runtime,
  { float: model, quantized, shapes }: ShapedPair,
  { batches, validation }: CorrectionSamples,
  watch: Watch,
): Promise<ReadonlyMap<string, Tensor>> {
  const all: Batch[] = []
  for await (const batch of batches) all.push(batch)
  const inputs = all.map((batch) => batch.inputs)
  const pair = { float: model, quantized }
  const { model: corrected } = await correctBias(runtime, pair, inputs, { ...watch, shapes, validation })
  const judges = all.filter((_, index) => validation(index))
  const scored = judges.length > 0 ? judges : all
  const near = (changed: Model) =>
    batchSqnr(runtime, { ...pair, quantized: changed }, { batches: from(scored), total: scored.length }, watch)
  return (await near(corrected)) > (await near(quantized)) ? movedBiases(model, quantized, corrected) : new Map()
}

async function* from(batches: readonly Batch[]): AsyncGenerator<Batch> {
  yield* batches
}

/** The float model's biases, each moved as far as its quantised form was. A constant that others read too stays. */
function movedBiases(model: Model, before: Model, after: Model): Map<string, Tensor> {
  const [first, second] = [slotsOf(before), slotsOf(after)]
  const consumers = consumersOf(model.graph.nodes)
  const moved = new Map<string, Tensor>()
  for (const node of model.graph.nodes) {
    const name = nodeName(node)
    const [was, is] = [shiftable(before, first.get(name)), shiftable(after, second.get(name))]
    const slot = second.get(name)?.bias
    const constant = slot && 'float' in slot ? slot.float : (node.inputs[2] ?? '')
    const bias = model.graph.initializers.get(constant)
    if (!was || !is || !bias || consumers.get(constant)?.length !== 1) continue
    const [old, now] = [was.floats(), is.floats()]
    const values = bias.floats().map((value, c) => value + (now[c] ?? 0) - (old[c] ?? 0))
    moved.set(constant, Tensor.from('float32', bias.shape, values))
  }
  return moved
}

const shiftable = (model: Model, slots: LayerSlots | undefined): Tensor | undefined =>
  slots?.bias && biasTensor(model, slots.bias)
