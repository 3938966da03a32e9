// From the times of ONNX Runtime's kernels to the nodes of the model that they stand for.
import { type Model, type Node, nodeName } from '../onnx/index.ts'

/** What was measured of a model, a node a figure. */
export interface NodeTimes {
  /** Node → milliseconds of the kernel that computes it, with what was fused into it. */
  readonly nodes: Readonly<Record<string, number>>
  /** All kernels, those that belong to no node (reordered layouts) too. */
  readonly totalMs: number
  readonly threads: number
}

/** A kernel and its time. */
export interface Timed {
  readonly name: string
  readonly op: string
  readonly milliseconds: number
}

/** What an operator becomes: QLinearConv and FusedConv are a Conv. */
const plainOps = ['ConvTranspose', 'Conv', 'Gemm', 'MatMul'] as const

/**
 * Finds the node of each kernel: by its name, by what ONNX Runtime adds to names, or by the value that it makes, from which the
 * way leads back over what was fused.
 */
export function timesOfNodes(model: Model, kernels: readonly Timed[]): Readonly<Record<string, number>> {
  const { nodes } = model.graph
  const byName = new Map(nodes.map((node) => [nodeName(node), node]))
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const times: Record<string, number> = {}
  for (const { name, op, milliseconds } of kernels) {
    const plain = name.replace(/_nchwc$/, '').replace(/_token_\d+$/, '')
    const found = byName.get(name) ?? byName.get(plain) ?? makers.get(plain)
    const node = found && layerBehind(found, op, makers)
    if (node) times[nodeName(node)] = (times[nodeName(node)] ?? 0) + milliseconds
  }
  return times
}

/** A fused kernel is often called by its last node: the layer is a few nodes before. */
function layerBehind(node: Node, op: string, makers: ReadonlyMap<string, Node>): Node {
  const kind = plainOps.find((plain) => op.includes(plain) || (plain === 'Gemm' && op.startsWith('QGemm')))
  let current: Node | undefined = node
  for (let step = 0; step < 6 && current !== undefined && kind !== undefined; step++) {
    if (current.opType === kind || (kind === 'Gemm' && current.opType === 'MatMul')) return current
    current = makers.get(current.inputs[0] ?? '')
  }
  return node
}
