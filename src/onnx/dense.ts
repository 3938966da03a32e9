// A sparse tensor written out in full.
import { InputError, sizeOf } from '../base/index.ts'
import { byteLengthOf } from './dtype.ts'
import { Tensor } from './tensor.ts'

/** Elements that a sparse tensor may have when it is written out: 2 GB of float32. */
const MOST_ELEMENTS = 2 ** 29

/**
 * Writes out a sparse tensor: `values` at `indices`, which are positions in row-major order, or one row of coordinates each;
 * zero elsewhere.
 * @throws InputError when an index lies outside the shape, or the shape is too large to be written out
 */
export function denseTensor(shape: readonly number[], values: Tensor, indices: Tensor): Tensor {
  const size = sizeOf(shape)
  const width = (byteLengthOf(values.dtype, 2) ?? 0) / 2
  if (width < 1 || size > MOST_ELEMENTS)
    throw new InputError(`is sparse, and its shape [${shape}] of ${values.dtype} cannot be written out in full`)
  const bytes = new Uint8Array(size * width)
  const positions = indices.numbers()
  const rank = indices.shape.length === 2 ? shape.length : 1
  if (positions.length !== values.size * rank)
    throw new InputError(`is sparse and has ${values.size} values, but ${positions.length / rank} places for them`)
  for (let i = 0; i < values.size; i++) {
    const place = rank === 1 ? [positions[i] ?? 0] : positions.slice(i * rank, (i + 1) * rank)
    const sizes = rank === 1 ? [size] : shape
    if (place.some((at, axis) => !(at >= 0 && at < (sizes[axis] ?? 0))))
      throw new InputError(`is sparse and has a value at [${place}], outside its shape [${shape}]`)
    const at = place.reduce((sum, index, axis) => sum * (sizes[axis] ?? 1) + index, 0)
    bytes.set(values.bytes.subarray(i * width, (i + 1) * width), at * width)
  }
  return new Tensor(values.dtype, shape, bytes)
}
