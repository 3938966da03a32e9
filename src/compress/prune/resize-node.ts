// Operators that state sizes or places of channels in their constants: what they must say when channels are gone.
import { UnsupportedError } from '../../base/index.ts'
import {
  type ChannelGraph,
  type ChannelMap,
  type GraphEditor,
  intAttribute,
  intsAttr,
  intsAttribute,
  isOp,
  type Node,
  nodeName,
  opsetOf,
  type Shapes,
  Tensor,
} from '../../onnx/index.ts'

/** A node whose channels may go; what a rule is given: the maps of the values before the cut. */
export interface Resizing {
  readonly editor: GraphEditor
  readonly node: Node
  readonly graph: ChannelGraph
  readonly shapes: Shapes
  readonly removed: ReadonlySet<number>
}

/** Rewrites the constants of one node; does nothing for nodes that have none or whose channels all stay. */
export function resizeNode(given: Resizing): void {
  const { node, graph, removed } = given
  if (!isOp(node, ...Object.keys(rules))) return
  const touched = [node.inputs[0], ...node.outputs].some((value) =>
    graph.map(value ?? '')?.ids.some((id) => removed.has(id)),
  )
  if (touched) rules[node.opType]?.(given)
}

/** How many channels of each axis of a map stay, by axis of the value. */
function sizesLeft({ axes, sizes, ids }: ChannelMap, removed: ReadonlySet<number>, node: Node): Map<number, number> {
  const left = new Map<number, number>()
  let product = 1
  for (const [i, axis] of axes.entries()) {
    const inner = sizes.slice(i + 1).reduce((all, size) => all * size, 1)
    const size = sizes[i] ?? 1
    const stay = new Set<number>()
    for (const [index, id] of ids.entries()) if (!removed.has(id)) stay.add(Math.floor(index / inner) % size)
    left.set(axis, stay.size)
    product *= stay.size
  }
  if (product !== ids.reduce((count, id) => count + (removed.has(id) ? 0 : 1), 0))
    throw new UnsupportedError(`the channels that stay do not fill the axes of ${node.opType} "${nodeName(node)}"`, {
      node: nodeName(node),
      op: node.opType,
    })
  return left
}

/** Channels on one axis before and which of them stay. */
function single({ graph, removed, node }: Resizing, value: string | undefined) {
  const found = graph.of(value ?? '')
  if (!found) throw new UnsupportedError(`the channels of ${node.opType} "${nodeName(node)}" are not on one axis`)
  return { ...found, stays: Array.from(found.ids, (id) => !removed.has(id)) }
}

const countOf = (stays: readonly boolean[], from = 0, to = stays.length) =>
  stays.slice(from, to).reduce((sum, each) => sum + (each ? 1 : 0), 0)

function setIntegers({ editor, node }: Resizing, index: number, values: readonly number[]): void {
  const old = editor.constant(node.inputs[index])
  const dtype = old?.dtype === 'int32' ? 'int32' : 'int64'
  editor.setConstant(node, index, Tensor.from(dtype, [values.length], values))
}

function reshape(given: Resizing): void {
  const { editor, node, graph, shapes, removed } = given
  const shape = editor.constant(node.inputs[1])?.numbers()
  const map = graph.map(node.outputs[0] ?? '')
  if (!shape || !map) return
  const [before, after] = [node.inputs[0], node.outputs[0]].map((value) => shapes.get(value ?? '')?.dims)
  const incoming = graph.map(node.inputs[0] ?? '')
  const from = incoming && sizesLeft(incoming, removed, node)
  const left = sizesLeft(map, removed, node)
  const wanted = shape.map((entry, axis) => {
    const size = left.get(axis)
    if (size === undefined || entry === -1) return entry
    const copied = from?.get(axis) ?? before?.[axis]
    return entry === 0 && copied === size ? 0 : size
  })
  // A 0 that copies an axis which is shorter now, though this one is not.
  for (const [axis, entry] of wanted.entries())
    if (entry === 0 && !left.has(axis) && from?.has(axis)) wanted[axis] = after?.[axis] ?? 0
  if (wanted.join() !== shape.join()) setIntegers(given, 1, wanted)
}

function split(given: Resizing): void {
  const { editor, node, graph, removed } = given
  const { axis } = single(given, node.inputs[0])
  const rank = given.shapes.get(node.inputs[0] ?? '')?.dims.length ?? 0
  const own = intAttribute(node, 'axis', 0)
  if ((own < 0 ? own + rank : own) !== axis) return
  const sizes = node.outputs.map((output) => countOf(Array.from(graph.of(output)?.ids ?? [], (id) => !removed.has(id))))
  node.attributes.delete('num_outputs')
  if (opsetOf(editor.model) < 13) node.attributes.set('split', intsAttr(sizes))
  else setIntegers(given, 1, sizes)
}

function slice(given: Resizing): void {
  const { editor, node, shapes } = given
  const numbers = (index: number) => editor.constant(node.inputs[index])?.numbers()
  const [starts, ends] = [numbers(1), numbers(2)]
  const { axis, stays } = single(given, node.inputs[0])
  const rank = shapes.get(node.inputs[0] ?? '')?.dims.length ?? 0
  if (!starts || !ends) return
  const at = (numbers(3) ?? starts.map((_, i) => i)).map((one) => (one < 0 ? one + rank : one)).indexOf(axis)
  if (at === -1) return
  const place = (x: number) => Math.min(Math.max(x < 0 ? x + stays.length : x, 0), stays.length)
  const [start, end] = [place(starts[at] ?? 0), place(ends[at] ?? stays.length)]
  const first = countOf(stays, 0, start)
  setIntegers(given, 1, starts.with(at, first))
  setIntegers(given, 2, ends.with(at, first + countOf(stays, start, end)))
}

function pad(given: Resizing): void {
  const { editor, node, shapes } = given
  const { axis, stays } = single(given, node.outputs[0])
  const rank = shapes.get(node.inputs[0] ?? '')?.dims.length ?? 0
  const attribute = intsAttribute(node, 'pads')
  const pads = attribute ?? editor.constant(node.inputs[1])?.numbers()
  if (!pads) return
  const [begin, end] = [pads[axis] ?? 0, pads[axis + rank] ?? 0]
  const wanted = pads.with(axis, countOf(stays, 0, begin)).with(axis + rank, countOf(stays, stays.length - end))
  if (attribute) node.attributes.set('pads', intsAttr(wanted))
  else setIntegers(given, 1, wanted)
}

function gather(given: Resizing): void {
  const { editor, node, shapes, graph, removed } = given
  const { axis, stays } = single(given, node.inputs[0])
  const rank = shapes.get(node.inputs[0] ?? '')?.dims.length ?? 0
  const own = intAttribute(node, 'axis', 0)
  const indices = editor.constant(node.inputs[1])
  if ((own < 0 ? own + rank : own) !== axis || !indices) return
  const place = (index: number) => countOf(stays, 0, index < 0 ? index + stays.length : index)
  const old = indices.numbers()
  const ids = graph.of(node.outputs[0] ?? '')?.ids
  const wanted = (ids ? old.filter((_, i) => !removed.has(ids[i]!)) : old).map(place)
  const dtype = indices.dtype === 'int32' ? 'int32' : 'int64'
  const shape = indices.shape.length === 0 ? [] : [wanted.length]
  editor.setConstant(node, 1, Tensor.from(dtype, shape, wanted))
}

function resize(given: Resizing): void {
  const { editor, node, shapes } = given
  const sizes = editor.constant(node.inputs[3])?.numbers()
  if (!sizes || sizes.length === 0) return
  const { axis, stays } = single(given, node.outputs[0])
  const rank = shapes.get(node.inputs[0] ?? '')?.dims.length ?? 0
  const axes = intsAttribute(node, 'axes') ?? sizes.map((_, i) => i)
  const at = axes.map((one) => (one < 0 ? one + rank : one)).indexOf(axis)
  if (at !== -1) setIntegers(given, 3, sizes.with(at, countOf(stays)))
}

const rules: Readonly<Record<string, (given: Resizing) => void>> = {
  Reshape: reshape,
  Split: split,
  Slice: slice,
  Pad: pad,
  Gather: gather,
  Resize: resize,
}
