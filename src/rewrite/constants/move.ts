// Evaluating operators that only move elements: reshape, transpose, slice, gather, join. Works on bytes of any whole type.
import { sizeOf } from '../../base/index.ts'
import { byteLengthOf, intAttribute, intsAttribute, type Node, Tensor } from '../../onnx/index.ts'

/** The output of a node on constants, or undefined when this case is left alone. */
export type Rule = (node: Node, inputs: readonly (Tensor | undefined)[]) => Tensor | undefined

/** Larger results stay computed: they would be written into the file. 64 MB of float32. */
export const MOST_ELEMENTS: number = 2 ** 24

/** Row-major strides in elements. */
function stridesOf(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1)
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = (strides[axis + 1] ?? 1) * (shape[axis + 1] ?? 1)
  return strides
}

/** Picks elements: that at `index` of the result comes from `start + Σ index[axis] · strides[axis]`. */
function pick(tensor: Tensor, shape: readonly number[], start: number, strides: readonly number[]): Tensor | undefined {
  const width = byteLengthOf(tensor.dtype, 2)
  if (width === undefined || width < 2 || tensor.strings) return undefined
  const bytesEach = width / 2
  const count = sizeOf(shape)
  if (count > MOST_ELEMENTS && count > tensor.size) return undefined
  const bytes = new Uint8Array(count * bytesEach)
  const index = shape.map(() => 0)
  let from = start
  for (let i = 0; i < count; i++) {
    const source = from * bytesEach
    for (let byte = 0; byte < bytesEach; byte++) bytes[i * bytesEach + byte] = tensor.bytes[source + byte] ?? 0
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1
      from += strides[axis] ?? 0
      index[axis] = next
      if (next < (shape[axis] ?? 1)) break
      from -= next * (strides[axis] ?? 0)
      index[axis] = 0
    }
  }
  return new Tensor(tensor.dtype, shape, bytes)
}

/** Axes that may be negative, from an input (opset 13) or an attribute (before). */
function axesOf(node: Node, input: Tensor | undefined, rank: number): number[] | undefined {
  const axes = input ? input.numbers() : intsAttribute(node, 'axes')
  return axes?.map((axis) => (axis < 0 ? axis + rank : axis))
}

const identity: Rule = (_node, [data]) => data

const reshape: Rule = (node, [data, target]) => {
  if (!data || !target) return undefined
  const keepsZero = intAttribute(node, 'allowzero', 0) === 1
  const shape = target.numbers().map((size, axis) => (size === 0 && !keepsZero ? (data.shape[axis] ?? 0) : size))
  const open = shape.indexOf(-1)
  if (open !== -1) shape[open] = data.size / sizeOf(shape.filter((size) => size !== -1))
  return sizeOf(shape) === data.size ? data.reshape(shape) : undefined
}

const flatten: Rule = (node, [data]) => {
  if (!data) return undefined
  const axis = intAttribute(node, 'axis', 1)
  const cut = axis < 0 ? axis + data.shape.length : axis
  return data.reshape([sizeOf(data.shape.slice(0, cut)), sizeOf(data.shape.slice(cut))])
}

const unsqueeze: Rule = (node, [data, given]) => {
  const count = (given ? given.numbers() : intsAttribute(node, 'axes'))?.length
  if (!data || count === undefined) return undefined
  const axes = axesOf(node, given, data.shape.length + count)
  const rest = [...data.shape]
  const shape = Array.from({ length: data.shape.length + count }, (_, axis) =>
    axes?.includes(axis) ? 1 : (rest.shift() ?? 1),
  )
  return data.reshape(shape)
}

const squeeze: Rule = (node, [data, given]) => {
  if (!data) return undefined
  const axes = axesOf(node, given, data.shape.length)
  return data.reshape(data.shape.filter((size, axis) => (axes ? !axes.includes(axis) : size !== 1)))
}

const transpose: Rule = (node, [data]) => {
  if (!data) return undefined
  const strides = stridesOf(data.shape)
  const order = intsAttribute(node, 'perm') ?? data.shape.map((_, axis) => data.shape.length - 1 - axis)
  return pick(
    data,
    order.map((axis) => data.shape[axis] ?? 1),
    0,
    order.map((axis) => strides[axis] ?? 1),
  )
}

const expand: Rule = (_node, [data, target]) => {
  if (!data || !target) return undefined
  const wanted = target.numbers()
  const rank = Math.max(wanted.length, data.shape.length)
  const own = [...Array<number>(rank - data.shape.length).fill(1), ...data.shape]
  const shape = own.map((size, axis) => Math.max(size, wanted[axis - (rank - wanted.length)] ?? 1))
  const strides = stridesOf(own).map((stride, axis) => (own[axis] === 1 ? 0 : stride))
  return pick(data, shape, 0, strides)
}

const slice: Rule = (node, [data, startsInput, endsInput, axesInput, stepsInput]) => {
  if (!data) return undefined
  const starts = startsInput?.numbers() ?? intsAttribute(node, 'starts')
  const ends = endsInput?.numbers() ?? intsAttribute(node, 'ends')
  if (!starts || !ends) return undefined
  const axes = axesOf(node, axesInput, data.shape.length) ?? starts.map((_, axis) => axis)
  const steps = stepsInput?.numbers() ?? starts.map(() => 1)
  const shape = [...data.shape]
  const strides = stridesOf(data.shape)
  let offset = 0
  for (const [i, axis] of axes.entries()) {
    const size = data.shape[axis] ?? 1
    const step = steps[i] ?? 1
    const clamp = (given: number, low: number, high: number) =>
      Math.min(high, Math.max(low, given < 0 ? given + size : given))
    const start = step > 0 ? clamp(starts[i] ?? 0, 0, size) : clamp(starts[i] ?? 0, 0, size - 1)
    const end = step > 0 ? clamp(ends[i] ?? 0, 0, size) : clamp(ends[i] ?? 0, -1, size - 1)
    shape[axis] = Math.max(0, Math.ceil((end - start) / step))
    offset += start * (strides[axis] ?? 1)
    strides[axis] = (strides[axis] ?? 1) * step
  }
  return pick(data, shape, offset, strides)
}

const concat: Rule = (node, inputs) => {
  const parts = inputs.filter((input) => input !== undefined)
  const [first] = parts
  if (!first || parts.length !== inputs.length) return undefined
  return joined(parts, intAttribute(node, 'axis', 0))
}

/** Joins tensors along an axis, row of blocks by row of blocks. */
function joined(parts: readonly Tensor[], givenAxis: number): Tensor | undefined {
  const first = parts[0]
  if (!first || parts.some((part) => part.strings || (byteLengthOf(part.dtype, 2) ?? 0) < 2)) return undefined
  const axis = givenAxis < 0 ? givenAxis + first.shape.length : givenAxis
  const shape = [...first.shape]
  shape[axis] = parts.reduce((sum, part) => sum + (part.shape[axis] ?? 1), 0)
  const rows = sizeOf(first.shape.slice(0, axis))
  const bytes = new Uint8Array(byteLengthOf(first.dtype, sizeOf(shape)) ?? 0)
  let to = 0
  for (let row = 0; row < rows; row++)
    for (const part of parts) {
      const length = part.byteLength / rows
      bytes.set(part.bytes.subarray(row * length, (row + 1) * length), to)
      to += length
    }
  return new Tensor(first.dtype, shape, bytes)
}

const gather: Rule = (node, [data, indices]) => {
  if (!data || !indices) return undefined
  const given = intAttribute(node, 'axis', 0)
  const axis = given < 0 ? given + data.shape.length : given
  const size = data.shape[axis] ?? 1
  const strides = stridesOf(data.shape)
  const shape = data.shape.map((dim, at) => (at === axis ? 1 : dim))
  if (indices.size * sizeOf(shape) > MOST_ELEMENTS) return undefined
  const parts = indices
    .numbers()
    .map((index) => pick(data, shape, (index < 0 ? index + size : index) * (strides[axis] ?? 1), strides))
  const kept = parts.filter((part) => part !== undefined)
  if (kept.length === 0 || kept.length !== parts.length) return undefined
  return joined(kept, axis)?.reshape([...data.shape.slice(0, axis), ...indices.shape, ...data.shape.slice(axis + 1)])
}

export const moveRules: Readonly<Record<string, Rule>> = {
  Concat: concat,
  Expand: expand,
  Flatten: flatten,
  Gather: gather,
  Identity: identity,
  Reshape: reshape,
  Slice: slice,
  Squeeze: squeeze,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
}
