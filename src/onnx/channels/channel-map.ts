// Which channel each element of a value belongs to, as numbers along the axes that matter.
import { sizeOf } from '../../base/index.ts'

/**
 * Channel numbers of a value: `ids` is row-major over the sizes of `axes` (ascending, never axis 0, the batch). An ordinary
 * value has one axis; between the two Reshapes of a channel shuffle there are two.
 */
export interface ChannelMap {
  readonly axes: readonly number[]
  readonly sizes: readonly number[]
  readonly ids: Int32Array
}

/** Larger samples are not followed element by element. */
const MOST_ELEMENTS = 2 ** 23

/** A map with one channel axis. */
export function onAxis(axis: number, ids: Int32Array): ChannelMap {
  return { axes: [axis], sizes: [ids.length], ids }
}

/** The channel axis and its numbers, when there is just one axis. */
export function singleAxis(map: ChannelMap | undefined): { axis: number; ids: Int32Array } | undefined {
  return map?.axes.length === 1 ? { axis: map.axes[0] ?? 0, ids: map.ids } : undefined
}

/** The map behind a Transpose. */
export function transposeMap(map: ChannelMap, order: readonly number[]): ChannelMap | undefined {
  const moved = map.axes.map((axis) => order.indexOf(axis))
  if (moved.includes(-1) || moved.includes(0)) return undefined
  const places = moved.map((_, i) => i).sort((a, b) => (moved[a] ?? 0) - (moved[b] ?? 0))
  const sizes = places.map((i) => map.sizes[i] ?? 1)
  const ids = new Int32Array(map.ids.length)
  const strides = map.sizes.map((_, i) => sizeOf(map.sizes.slice(i + 1)))
  for (let index = 0; index < ids.length; index++) {
    let rest = index
    let from = 0
    for (let i = places.length - 1; i >= 0; i--) {
      const size = sizes[i] ?? 1
      from += (rest % size) * (strides[places[i] ?? 0] ?? 1)
      rest = Math.floor(rest / size)
    }
    ids[index] = map.ids[from] ?? 0
  }
  return { axes: places.map((i) => moved[i] ?? 0), sizes, ids }
}

/**
 * The map behind a Reshape, Flatten, Squeeze or Unsqueeze that keeps the batch on axis 0: every element keeps its channel,
 * and the axes along which the numbers change are found anew. Undefined when a sample is too large to follow.
 */
export function reshapeMap(
  map: ChannelMap,
  before: readonly number[],
  after: readonly number[],
): ChannelMap | undefined {
  const [from, to] = [before.slice(1), after.slice(1)]
  const size = sizeOf(from)
  if (before[0] !== after[0] || size !== sizeOf(to) || size > MOST_ELEMENTS || size === 0) return undefined
  const elements = expand(map, from)
  const axes: number[] = []
  for (let axis = 0; axis < to.length; axis++) if (variesAlong(elements, to, axis)) axes.push(axis)
  // A value of one channel varies nowhere: its channel lies on the first axis that could hold it.
  if (axes.length === 0) axes.push(Math.max(0, to.indexOf(1)))
  return { axes: axes.map((axis) => axis + 1), sizes: axes.map((axis) => to[axis] ?? 1), ids: pick(elements, to, axes) }
}

function expand(map: ChannelMap, dims: readonly number[]): Int32Array {
  const strides = dims.map(() => 0)
  for (const [i, axis] of map.axes.entries()) strides[axis - 1] = sizeOf(map.sizes.slice(i + 1))
  const elements = new Int32Array(sizeOf(dims))
  const at = dims.map(() => 0)
  let from = 0
  for (let index = 0; index < elements.length; index++) {
    elements[index] = map.ids[from] ?? 0
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      at[axis] = (at[axis] ?? 0) + 1
      from += strides[axis] ?? 0
      if ((at[axis] ?? 0) < (dims[axis] ?? 1)) break
      from -= (strides[axis] ?? 0) * (dims[axis] ?? 1)
      at[axis] = 0
    }
  }
  return elements
}

function variesAlong(elements: Int32Array, dims: readonly number[], axis: number): boolean {
  const size = dims[axis] ?? 1
  if (size === 1) return false
  const inner = sizeOf(dims.slice(axis + 1))
  for (let start = 0; start < elements.length; start += inner * size)
    for (let i = start; i < start + inner; i++)
      for (let step = 1; step < size; step++) if (elements[i] !== elements[i + step * inner]) return true
  return false
}

function pick(elements: Int32Array, dims: readonly number[], axes: readonly number[]): Int32Array {
  const strides = axes.map((axis) => sizeOf(dims.slice(axis + 1)))
  const sizes = axes.map((axis) => dims[axis] ?? 1)
  return Int32Array.from({ length: sizeOf(sizes) }, (_, index) => {
    let rest = index
    let from = 0
    for (let i = axes.length - 1; i >= 0; i--) {
      from += (rest % (sizes[i] ?? 1)) * (strides[i] ?? 0)
      rest = Math.floor(rest / (sizes[i] ?? 1))
    }
    return elements[from] ?? 0
  })
}
