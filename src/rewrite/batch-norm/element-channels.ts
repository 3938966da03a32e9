// Which channel each element of a value belongs to, followed through Flatten, Reshape and Transpose.
import { sizeOf } from '../../base/index.ts'
import { type GraphEditor, intsAttribute, isOp, type Node, type Shapes } from '../../onnx/index.ts'

/** Channels lie on axis 1, or each element's channel is listed for the dims that were observed. */
export type ElementChannels = 'axis 1' | { readonly dims: readonly number[]; readonly channels: Int32Array }

/** Larger values are not followed element by element. */
const MOST_ELEMENTS = 2 ** 24

/** The map behind a Flatten, Reshape or Transpose, or why it is not known. */
export function moveChannels(
  editor: GraphEditor,
  shapes: Shapes,
  map: ElementChannels,
  node: Node,
): ElementChannels | string {
  const listed = listChannels(shapes, map, node.inputs[0] ?? '')
  const dims = shapes.get(node.outputs[0] ?? '')?.dims
  if (!listed || !dims) return `is ${node.opType} of a shape that was never observed`
  if (isOp(node, 'Transpose')) {
    const order = intsAttribute(node, 'perm') ?? listed.dims.map((_, axis) => listed.dims.length - 1 - axis)
    return { dims, channels: transposed(listed, order) }
  }
  if (isOp(node, 'Reshape') && !editor.constant(node.inputs[1])) return 'is Reshape to a computed shape'
  if (dims[0] !== listed.dims[0]) return `is ${node.opType} and mixes samples`
  return { dims, channels: listed.channels }
}

/** The channel of each feature on the last axis, when it is the same in every row: what a Gemm or MatMul needs to know. */
export function featureChannels(shapes: Shapes, map: ElementChannels, value: string): Int32Array | undefined {
  const listed = listChannels(shapes, map, value)
  if (!listed) return undefined
  const features = listed.dims.at(-1) ?? 1
  const row = listed.channels.subarray(0, features)
  return listed.channels.every((channel, index) => channel === row[index % features]) ? row : undefined
}

function listChannels(
  shapes: Shapes,
  map: ElementChannels,
  value: string,
): Exclude<ElementChannels, string> | undefined {
  if (map !== 'axis 1') return map
  const dims = shapes.get(value)?.dims
  const size = dims ? sizeOf(dims) : 0
  if (!dims || dims.length < 2 || size === 0 || size > MOST_ELEMENTS) return undefined
  const inner = sizeOf(dims.slice(2))
  const count = dims[1] ?? 1
  return { dims, channels: Int32Array.from({ length: size }, (_, i) => Math.floor(i / inner) % count) }
}

function transposed({ dims, channels }: Exclude<ElementChannels, string>, order: readonly number[]): Int32Array {
  const strides = dims.map((_, axis) => sizeOf(dims.slice(axis + 1)))
  return Int32Array.from(channels, (_, index) => {
    let rest = index
    let from = 0
    for (let axis = order.length - 1; axis >= 0; axis--) {
      const size = dims[order[axis] ?? 0] ?? 1
      from += (rest % size) * (strides[order[axis] ?? 0] ?? 1)
      rest = Math.floor(rest / size)
    }
    return channels[from] ?? 0
  })
}
