// A corrected model on other activation ranges: weights keep their codes, biases their values.
import { GraphEditor, type Model, nodeName, Tensor, withTensors } from '../../onnx/index.ts'
import { insertQdq } from '../insert.ts'
import type { Plan } from '../plan.ts'
import { slotsOf } from './slots.ts'

/** What corrections found, apart from the graph that they were written into. */
export interface Corrections {
  /** Node → its bias in the unit of the output, float32. */
  readonly biases: ReadonlyMap<string, Tensor>
  /** Constants of the quantised model by name: codes of weights, and biases that stay float. */
  readonly constants: ReadonlyMap<string, Tensor>
}

/** Reads the corrections out of a quantised model. */
export function correctionsIn(corrected: Model, plan: Plan): Corrections {
  const slots = slotsOf(corrected)
  const found = corrected.graph.initializers
  const constants = new Map<string, Tensor>()
  const biases = new Map<string, Tensor>()
  for (const name of plan.weights.keys()) {
    const own = slots.get(name)
    if (!own) continue
    const weight = found.get(own.codes)
    if (weight) constants.set(own.codes, weight)
    if (!own.bias) continue
    if ('float' in own.bias) {
      const value = found.get(own.bias.float)
      if (value) constants.set(own.bias.float, value)
      continue
    }
    const [bias, scale] = [found.get(own.bias.codes), found.get(own.bias.scale)?.floats()]
    if (!bias || !scale) continue
    const values = Float32Array.from(bias.numbers(), (code, c) => code * (scale[scale.length === 1 ? 0 : c] ?? 1))
    biases.set(name, Tensor.from('float32', bias.shape, values))
  }
  return { biases, constants }
}

/**
 * Writes what corrections found into a model of another plan, made for the same float model: rounded codes with their scales, and
 * corrected biases, which get new codes because their scale follows the input's.
 * @param plan plan that the corrections were made under: its weights' grids are kept
 * @param ranges plan whose activation grids are to be used
 */
export function onRanges(
  float: Model,
  { biases, constants }: Corrections,
  plan: Plan,
  ranges: Plan,
): { model: Model; plan: Plan } {
  const editor = new GraphEditor(float)
  for (const node of editor.nodes()) {
    const bias = plan.weights.has(nodeName(node)) ? biases.get(nodeName(node)) : undefined
    if (bias) editor.setConstant(node, 2, bias)
  }
  const own = { ...ranges, weights: plan.weights }
  const written = insertQdq(editor.finish(), { ...own, embeddings: plan.embeddings })
  return { model: withTensors(written, constants), plan: own }
}
