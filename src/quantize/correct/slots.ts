// Where a written Q/DQ model keeps what can still be changed of a layer: codes, scales, bias. Found by the node's name.
import { consumersOf, factsOf, isOp, type Model, type Node, nodeName } from '../../onnx/index.ts'
import { biasAddOf } from '../bias-add.ts'

/** Names of a layer's values and constants in a Q/DQ model. */
export interface LayerSlots {
  readonly name: string
  /** Value that the layer reads, behind its DQ. */
  readonly input: string
  /** Pre-activation output; behind the constant Add for a MatMul with one. */
  readonly output: string
  readonly codes: string
  readonly scale: string
  /** int32 codes and their scale, or a float constant: that of a MatMul's Add, or of a layer whose target has no codes for biases. */
  readonly bias?: { readonly codes: string; readonly scale: string } | { readonly float: string }
}

/** The slots of every layer whose weight is codes behind DQ. */
export function slotsOf(model: Model): Map<string, LayerSlots> {
  const { graph } = model
  const producers = new Map<string, Node>()
  for (const node of graph.nodes) for (const output of node.outputs) producers.set(output, node)
  const consumers = consumersOf(graph.nodes)
  const constantBehind = (value: string | undefined): Node | undefined => {
    const node = producers.get(value ?? '')
    return node && isOp(node, 'DequantizeLinear') && graph.initializers.has(node.inputs[0] ?? '') ? node : undefined
  }
  const slots = new Map<string, LayerSlots>()
  for (const node of graph.nodes) {
    if (!factsOf(node).layer) continue
    const weight = constantBehind(node.inputs[1])
    if (!weight) continue
    const bias = constantBehind(node.inputs[2])
    const plain = graph.initializers.get(node.inputs[2] ?? '')?.dtype === 'float32' ? (node.inputs[2] ?? '') : undefined
    const ownPlain = plain !== undefined && consumers.get(plain)?.length === 1
    const added = biasAddOf(node, consumers, (name) => graph.initializers.get(name))
    // Other users of a constant must not be changed with it.
    const own = added?.tensor.dtype === 'float32' && consumers.get(added.name)?.length === 1
    slots.set(nodeName(node), {
      name: nodeName(node),
      input: node.inputs[0] ?? '',
      output: (added?.add ?? node).outputs[0] ?? '',
      codes: weight.inputs[0] ?? '',
      scale: weight.inputs[1] ?? '',
      ...(bias ? { bias: { codes: bias.inputs[0] ?? '', scale: bias.inputs[1] ?? '' } } : {}),
      ...(ownPlain ? { bias: { float: plain } } : {}),
      ...(added && own ? { bias: { float: added.name } } : {}),
    })
  }
  return slots
}
