// Taking channels out of a model: every weight that writes or reads them, every constant that goes with them, is cut.
import { sizeOf, UnsupportedError } from '../../base/index.ts'
import {
  type ChannelGraph,
  channelGraph,
  GraphEditor,
  intAttr,
  type LayerChannels,
  type Model,
  type Node,
  type Shapes,
  Tensor,
  withoutShapes,
} from '../../onnx/index.ts'
import { forEachPair } from './consumers.ts'
import { resizeNode } from './resize-node.ts'

/**
 * Takes channels out of a model. Exact when they are zero, or when nothing reads them; otherwise refit the readers.
 * @param removed numbers of `pruningGroups`; at least one of every value's channels must stay
 * @throws UnsupportedError when what is left does not fit together (numbers that are closed, or all of a value's)
 */
export function removeChannels(
  model: Model,
  shapes: Shapes,
  removed: ReadonlySet<number>,
  graph: ChannelGraph = channelGraph(model, shapes, 'remove'),
): Model {
  const editor = new GraphEditor(model)
  const byOutput = new Map(editor.nodes().map((node) => [node.outputs[0] ?? '', node]))
  const nodeOf = (old: Node) => byOutput.get(old.outputs[0] ?? '')
  for (const channels of graph.layers) {
    const node = nodeOf(channels.layer.node)
    if (node && [...channels.input, ...channels.output].some((id) => removed.has(id)))
      cutLayer(editor, node, channels, removed)
  }
  for (const { node: old, index, tensor, axis, ids } of graph.carriers) {
    const node = nodeOf(old)
    if (node && axis !== undefined && ids.some((id) => removed.has(id)))
      editor.setConstant(node, index, cutAxis(tensor, axis, places(ids, removed)))
  }
  for (const old of model.graph.nodes) {
    const node = nodeOf(old)
    if (node) resizeNode({ editor, node, graph, shapes, removed })
  }
  // Declared sizes are of the old model.
  for (const [name, info] of withoutShapes(editor.graph.valueInfo)) editor.graph.valueInfo.set(name, info)
  return editor.finish()
}

/** Indices that stay. */
export function places(ids: Int32Array, removed: ReadonlySet<number>): number[] {
  return [...ids.keys()].filter((index) => !removed.has(ids[index]!))
}

function cutLayer(
  editor: GraphEditor,
  node: Node,
  { layer, input, output }: LayerChannels,
  removed: ReadonlySet<number>,
): void {
  const { facts, view, weight, bias } = layer
  if (!view) return
  const [inputs, outputs] = [places(input, removed), places(output, removed)]
  if (inputs.length === 0 || outputs.length === 0)
    throw new UnsupportedError(`layer "${layer.name}" would be left without channels`, { node: layer.name })
  let cut: Tensor
  if (view.groups === 1) cut = cutAxis(cutAxis(weight, view.outputAxis, outputs), 1 - view.outputAxis, inputs)
  else {
    const left = keptOfGroups(
      layer.name,
      byGroup(inputs, input.length / view.groups),
      byGroup(outputs, output.length / view.groups),
    )
    // A window that spreads has all inputs on its first axis and the outputs of a group on its second; one that gathers the other way round.
    cut =
      facts.window === 'spreads'
        ? cutAxis(cutAxis(weight, 0, inputs), 1, left.outputs)
        : cutAxis(cutAxis(weight, 0, outputs), 1, left.inputs)
    node.attributes.set('group', intAttr(left.groups))
  }
  editor.setConstant(node, layer.weightIndex, cut)
  if (bias && bias.size === view.outputs) editor.setConstant(node, 2, cutAxis(bias, bias.shape.length - 1, outputs))
}

/** How many groups are left, and which places of each: the same in all of them. @param read group → places inside it */
function keptOfGroups(
  name: string,
  read: ReadonlyMap<number, number[]>,
  written: ReadonlyMap<number, number[]>,
): { groups: number; inputs: number[]; outputs: number[] } {
  const [first = [], ...others] = read.values()
  const [made = [], ...rest] = written.values()
  const alike =
    [...read.keys()].join() === [...written.keys()].join() &&
    others.every((list) => list.join() === first.join()) &&
    rest.every((list) => list.join() === made.join())
  if (!alike)
    throw new UnsupportedError(`the groups of layer "${name}" would be left with different channels`, { node: name })
  return { groups: read.size, inputs: first, outputs: made }
}

/** Group → places inside it. */
function byGroup(kept: readonly number[], perGroup: number): Map<number, number[]> {
  const groups = new Map<number, number[]>()
  for (const index of kept) {
    const group = Math.floor(index / perGroup)
    groups.set(group, [...(groups.get(group) ?? []), index % perGroup])
  }
  return groups
}

/** Values from which on they are copied as a block. */
const COPIED = 64

/** The tensor with only these places of an axis. */
export function cutAxis(tensor: Tensor, axis: number, kept: readonly number[]): Tensor {
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
      // A view and a copy of a few values cost far more than the values.
      if (inner >= COPIED) result.set(values.subarray(from, from + inner), to)
      else for (let i = 0; i < inner; i++) result[to + i] = values[from + i]!
      to += inner
    }
  const shape = tensor.shape.map((dim, i) => (i === axis ? kept.length : dim))
  if (tensor.dtype !== 'float32') throw new UnsupportedError(`a ${tensor.dtype} constant cannot be cut`)
  return Tensor.from('float32', shape, result)
}

/** Output channels that each layer keeps; layers that keep all are left out. */
export function keptOutputs(graph: ChannelGraph, removed: ReadonlySet<number>): Map<string, number[]> {
  const kept = new Map<string, number[]>()
  for (const { layer, output } of graph.layers) {
    const left = places(output, removed)
    if (left.length < output.length) kept.set(layer.name, left)
  }
  return kept
}

/**
 * The numbers that go when layers keep these output channels: the inverse of `keptOutputs`.
 * @param kept layer → places that stay; what layers that are not here write stays as a whole
 */
export function removedOutputs(
  graph: ChannelGraph,
  kept: Readonly<Record<string, readonly number[]>>,
): ReadonlySet<number> {
  const stay = new Map(Object.entries(kept))
  const removed = new Set<number>()
  for (const { layer, output } of graph.layers) {
    const places = stay.get(layer.name)
    if (!places) continue
    const left = new Set(places)
    for (const [place, id] of output.entries()) if (!left.has(place)) removed.add(id)
  }
  return removed
}

/** A copy of the model in which nothing reads these channels any more: what the cut model must compute, exactly. */
export function silenceChannels(
  model: Model,
  graph: ChannelGraph,
  removed: ReadonlySet<number>,
  passes: (layer: LayerChannels) => boolean,
): Model {
  const editor = new GraphEditor(model)
  const byOutput = new Map(editor.nodes().map((node) => [node.outputs[0] ?? '', node]))
  for (const channels of graph.layers) {
    const { layer, input } = channels
    const node = byOutput.get(layer.node.outputs[0] ?? '')
    const { view, weight } = layer
    if (!node || !view || passes(channels) || !input.some((id) => removed.has(id))) continue
    const values = weight.floats().slice()
    forEachPair(channels, (id, first) => {
      if (removed.has(id)) for (let u = 0; u < view.positions; u++) values[first + u * view.positionStride] = 0
    })
    editor.setConstant(node, layer.weightIndex, Tensor.from('float32', weight.shape, values))
  }
  return editor.finish()
}
