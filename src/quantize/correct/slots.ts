// Where a written Q/DQ model keeps what can still be changed of a layer: codes, scales, bias. Found by the node's name.
import { isOp, type Model, type Node, nodeName, type Tensor } from '../../onnx/index.ts'

/** Names of a layer's values and constants in a Q/DQ model. */
export interface LayerSlots {
  readonly name: string
  /** Value that the layer reads, behind its DQ. */
  readonly input: string
  /** Pre-activation output; behind the constant Add for a MatMul with one. */
  readonly output: string
  readonly codes: string
  readonly scale: string
  /** int32 codes and their scale, or the float constant of a MatMul's Add. */
  readonly bias?: { readonly codes: string; readonly scale: string } | { readonly float: string }
}

/** The slots of every layer whose weight is codes behind DQ. */
export function slotsOf(model: Model): Map<string, LayerSlots> {
  const { graph } = model
  const producers = new Map<string, Node>()
  const consumers = new Map<string, Node[]>()
  for (const node of graph.nodes) {
    for (const output of node.outputs) producers.set(output, node)
    for (const input of new Set(node.inputs)) consumers.set(input, [...(consumers.get(input) ?? []), node])
  }
  const constantBehind = (value: string | undefined): Node | undefined => {
    const node = producers.get(value ?? '')
    return node && isOp(node, 'DequantizeLinear') && graph.initializers.has(node.inputs[0] ?? '') ? node : undefined
  }
  const slots = new Map<string, LayerSlots>()
  for (const node of graph.nodes) {
    if (!isOp(node, 'Conv', 'ConvTranspose', 'Gemm', 'MatMul')) continue
    const weight = constantBehind(node.inputs[1])
    if (!weight) continue
    const bias = constantBehind(node.inputs[2])
    const add = isOp(node, 'MatMul') ? biasAdd(graph.initializers, consumers, node) : undefined
    slots.set(nodeName(node), {
      name: nodeName(node),
      input: node.inputs[0] ?? '',
      output: (add?.node ?? node).outputs[0] ?? '',
      codes: weight.inputs[0] ?? '',
      scale: weight.inputs[1] ?? '',
      ...(bias ? { bias: { codes: bias.inputs[0] ?? '', scale: bias.inputs[1] ?? '' } } : {}),
      ...(add ? { bias: { float: add.constant } } : {}),
    })
  }
  return slots
}

function biasAdd(
  constants: ReadonlyMap<string, Tensor>,
  consumers: ReadonlyMap<string, readonly Node[]>,
  node: Node,
): { node: Node; constant: string } | undefined {
  const output = node.outputs[0] ?? ''
  const [next, ...others] = consumers.get(output) ?? []
  if (!next || others.length > 0 || !isOp(next, 'Add')) return undefined
  const constant = (next.inputs[0] === output ? next.inputs[1] : next.inputs[0]) ?? ''
  const tensor = constants.get(constant)
  // Used by this Add alone: other users must not be changed with it.
  return tensor?.dtype === 'float32' && tensor.size === tensor.shape.at(-1) && consumers.get(constant)?.length === 1
    ? { node: next, constant }
    : undefined
}

/** The same graph with other constants; nodes and all other tensors are shared. */
export function withTensors(model: Model, tensors: ReadonlyMap<string, Tensor>): Model {
  return {
    ...model,
    graph: { ...model.graph, initializers: new Map([...model.graph.initializers, ...tensors]) },
  }
}
