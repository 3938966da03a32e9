// Taking channels out of a model: every weight that writes or reads them, every constant that goes with them, is cut.
import { sizeOf } from '../base/index.ts'
import {
  type ChannelGraph,
  channelGraph,
  GraphEditor,
  intAttr,
  intsAttribute,
  isOp,
  type Layer,
  type Model,
  type Node,
  nodeName,
  readsOf,
  type Shapes,
  Tensor,
} from '../onnx/index.ts'

/** Channels that go together: a number of the channel graph for each. */
export interface PruningGroup {
  /** Layers that make these channels, and layers that read them. */
  readonly writers: readonly string[]
  readonly readers: readonly string[]
  /** In the order of the first writer's outputs. */
  readonly channels: readonly number[]
}

export interface PruningGroups {
  readonly groups: readonly PruningGroup[]
  /** Layers whose outputs cannot be taken out, and the operator that holds them. */
  readonly closed: readonly { readonly name: string; readonly reason: string }[]
}

/** Operators that run on with fewer channels without a change of their own constants (pools, element-wise, joins). */
const passing = new Set(
  'Relu LeakyRelu PRelu Clip Sigmoid HardSigmoid HardSwish Tanh Elu Gelu Softplus Erf Abs Neg Exp Log Sqrt Reciprocal Mish Identity Dropout Cast MaxPool AveragePool GlobalAveragePool GlobalMaxPool ReduceMean BatchNormalization Add Sub Mul Div Sum Max Min Mean Concat Flatten Squeeze Unsqueeze Transpose Conv ConvTranspose Gemm MatMul'.split(
    ' ',
  ),
)

/** Finds what can be taken out together. Constants that hold sizes (Reshape, Split, Slice, Resize …) close their channels. */
export function pruningGroups(model: Model, shapes: Shapes): PruningGroups {
  const graph = channelGraph(model, shapes, 'remove')
  const closed = closedChannels(model, graph)
  const groups: { writers: string[]; readers: Set<string>; channels: number[] }[] = []
  const groupOf = new Map<number, (typeof groups)[number]>()
  const reasons = new Map<string, string>()
  for (const { layer, output } of graph.layers) {
    const stuck = output.find((id) => closed.has(id))
    if (stuck !== undefined) {
      reasons.set(layer.name, closed.get(stuck) ?? '')
      continue
    }
    // A layer whose channels all belong to one earlier group (a residual Add, a depthwise layer) joins it.
    const known = groupOf.get(output[0] ?? -1)
    if (known && output.every((id) => groupOf.get(id) === known)) known.writers.push(layer.name)
    else if (output.some((id) => groupOf.has(id)))
      reasons.set(layer.name, 'its channels are tied to a part of another group')
    else {
      const group = { writers: [layer.name], readers: new Set<string>(), channels: [...new Set(output)] }
      groups.push(group)
      for (const id of group.channels) groupOf.set(id, group)
    }
  }
  for (const { layer, input } of graph.layers) for (const id of input) groupOf.get(id)?.readers.add(layer.name)
  return {
    groups: groups.map((group) => ({ ...group, readers: [...group.readers] })),
    closed: [...reasons].map(([name, reason]) => ({ name, reason })),
  }
}

/** The graph's own closed channels, and those that a node with sizes among its constants touches. */
function closedChannels(model: Model, graph: ChannelGraph): Map<number, string> {
  const closed = new Map(graph.closed)
  const close = (value: string, node: Node) => {
    for (const id of graph.of(value)?.ids ?? [])
      if (!closed.has(id)) closed.set(id, `${node.opType} ${nodeName(node)} has constants that would have to change`)
  }
  for (const node of model.graph.nodes) {
    if (passing.has(node.opType) || isSpatialPad(model, node)) continue
    for (const value of [...readsOf(node), ...node.outputs]) close(value, node)
  }
  // What is followed along several axes (a channel shuffle) is not cut.
  for (const node of model.graph.nodes)
    for (const value of node.outputs)
      if (isOp(node, 'Transpose') && !graph.of(value)) for (const input of node.inputs) close(input, node)
  return closed
}

function isSpatialPad(model: Model, node: Node): boolean {
  if (!isOp(node, 'Pad')) return false
  const pads = intsAttribute(node, 'pads') ?? model.graph.initializers.get(node.inputs[1] ?? '')?.numbers()
  if (!pads || node.inputs[3]) return false
  const rank = pads.length / 2
  return pads[0] === 0 && pads[1] === 0 && pads[rank] === 0 && pads[rank + 1] === 0
}

/**
 * Takes channels out of a model. Exact when they are zero, or when nothing reads them; otherwise refit the readers.
 * @param channels numbers of `pruningGroups`; of each group at least one must stay
 */
export function pruneChannels(model: Model, shapes: Shapes, channels: Iterable<number>): Model {
  const removed = new Set(channels)
  const graph = channelGraph(model, shapes, 'remove')
  const editor = new GraphEditor(model)
  const byOutput = new Map(editor.nodes().map((node) => [node.outputs[0] ?? '', node]))
  const keep = (ids: Int32Array) => [...ids.keys()].filter((index) => !removed.has(ids[index]!))
  for (const { layer, input, output } of graph.layers) {
    const [inputs, outputs] = [keep(input), keep(output)]
    const node = byOutput.get(layer.node.outputs[0] ?? '')
    if (node && (inputs.length < input.length || outputs.length < output.length))
      cutLayer(editor, node, layer, inputs, outputs)
  }
  for (const { node: old, index, tensor, axis, ids } of graph.carriers) {
    const node = byOutput.get(old.outputs[0] ?? '')
    const kept = keep(ids)
    if (node && axis !== undefined && kept.length < ids.length)
      editor.setConstant(node, index, cutAxis(tensor, axis, kept))
  }
  // Declared sizes are of the old model.
  editor.graph.valueInfo.clear()
  return editor.finish()
}

function cutLayer(
  editor: GraphEditor,
  node: Node,
  layer: Layer,
  inputs: readonly number[],
  outputs: readonly number[],
): void {
  const { view, weight, bias } = layer
  if (!view) return
  let cut = cutAxis(weight, view.outputAxis, outputs)
  if (view.groups === 1) cut = cutAxis(cut, 1 - view.outputAxis, inputs)
  else node.attributes.set('group', intAttr(inputs.length))
  editor.setConstant(node, layer.weightIndex, cut)
  if (bias && bias.size === view.outputs) editor.setConstant(node, 2, cutAxis(bias, bias.shape.length - 1, outputs))
}

/** The tensor with only these places of an axis. */
function cutAxis(tensor: Tensor, axis: number, kept: readonly number[]): Tensor {
  const size = tensor.shape[axis] ?? 1
  if (kept.length === size) return tensor
  const inner = sizeOf(tensor.shape.slice(axis + 1))
  const outer = sizeOf(tensor.shape.slice(0, axis))
  const values = tensor.floats()
  const result = new Float32Array(outer * kept.length * inner)
  let to = 0
  for (let o = 0; o < outer; o++)
    for (const index of kept) {
      const from = (o * size + index) * inner
      result.set(values.subarray(from, from + inner), to)
      to += inner
    }
  return Tensor.from(
    'float32',
    tensor.shape.map((dim, i) => (i === axis ? kept.length : dim)),
    result,
  )
}
