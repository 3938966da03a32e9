// A corrected model on other activation ranges: weights keep their codes, biases their values.
import { GraphEditor, type Model, type Node, nodeName, Tensor } from '../../onnx/index.ts'
import { insertQdq } from '../insert.ts'
import type { Plan } from '../plan.ts'
import { slotsOf, withTensors } from './slots.ts'

/**
 * Writes what corrections found into a model of another plan, made for the same float model: rounded codes with their scales, and
 * corrected biases, which get new codes because their scale follows the input's.
 * @param ranges plan whose activation grids are to be used
 */
export function onRanges(float: Model, corrected: Model, plan: Plan, ranges: Plan): { model: Model; plan: Plan } {
  const slots = slotsOf(corrected)
  const constants = corrected.graph.initializers
  const editor = new GraphEditor(float)
  const codes = new Map<string, Tensor>()
  const byOutput = new Map(editor.nodes().map((node) => [node.outputs[0] ?? '', node]))
  for (const node of plan.weights.keys()) {
    const own = slots.get(nodeName(node))
    const copy = byOutput.get(node.outputs[0] ?? '')
    if (!own || !copy) continue
    const weight = constants.get(own.codes)
    if (weight) codes.set(own.codes, weight)
    if (!own.bias) continue
    if ('float' in own.bias) {
      const value = constants.get(own.bias.float)
      if (value) codes.set(own.bias.float, value)
      continue
    }
    const [bias, scale] = [constants.get(own.bias.codes), constants.get(own.bias.scale)?.floats()]
    if (!bias || !scale) continue
    const values = Float32Array.from(bias.numbers(), (code, c) => code * (scale[scale.length === 1 ? 0 : c] ?? 1))
    editor.setConstant(copy, 2, Tensor.from('float32', bias.shape, values))
  }
  const withBiases = editor.finish()
  // Plans are keyed by the nodes of their float model: the edited copy's take their places.
  const own = new Map(withBiases.graph.nodes.map((node) => [node.outputs[0] ?? '', node]))
  const moved = moveTo(ranges, own, withBiases)
  const weights = new Map(
    [...plan.weights].map(([node, params]) => [own.get(node.outputs[0] ?? '') ?? node, params] as const),
  )
  const written = insertQdq(withBiases, { ...moved, weights })
  return { model: withTensors(written, codes), plan: { ...ranges, weights: plan.weights } }
}

function moveTo(plan: Plan, own: ReadonlyMap<string, Node>, model: Model): Plan {
  const at = (node: Node) => own.get(node.outputs[0] ?? '') ?? node
  const { placement } = plan
  const layers = new Map(
    [...placement.layers].map(([node, layer]) => {
      const bias = model.graph.initializers.get(at(node).inputs[2] ?? '')
      return [at(node), { ...layer, node: at(node), ...(bias ? { bias } : {}) }] as const
    }),
  )
  return {
    ...plan,
    placement: {
      ...placement,
      layers,
      integer: new Set([...placement.integer].map(at)),
      caps: new Map([...placement.caps].map(([value, node]) => [value, at(node)])),
    },
  }
}
