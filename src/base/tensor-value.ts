// A tensor as it goes into and comes out of a model at run time: dtype, dims, a typed array.
import { InputError } from './errors.ts'

/** Typed arrays by ONNX element type. float16 and bfloat16 travel as their bits. */
export interface ArrayOf {
  float32: Float32Array
  float64: Float64Array
  float16: Uint16Array
  int8: Int8Array
  uint8: Uint8Array
  int16: Int16Array
  uint16: Uint16Array
  int32: Int32Array
  uint32: Uint32Array
  int64: BigInt64Array
  uint64: BigUint64Array
  bool: Uint8Array
}

/** Element types that a model's input or output can have here. */
export type ValueType = keyof ArrayOf

export type AnyTypedArray = ArrayOf[ValueType]

/** A tensor value: `data.length` is the product of `dims`. */
export interface TensorValue<T extends ValueType = ValueType> {
  readonly dtype: T
  readonly dims: readonly number[]
  readonly data: ArrayOf[T]
}

const constructors: { [T in ValueType]: new (length: number) => ArrayOf[T] } = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
}

/** Is `name` an element type that can be fed to a model? */
export function isValueType(name: string): name is ValueType {
  return Object.hasOwn(constructors, name)
}

/** A zero-filled array for `length` elements of `dtype`. */
export function makeArray<T extends ValueType>(dtype: T, length: number): ArrayOf[T] {
  return new constructors[dtype](length)
}

/** Bytes an element of `dtype` takes. */
export function bytesPerElement(dtype: ValueType): number {
  return makeArray(dtype, 0).BYTES_PER_ELEMENT
}

/** Number of elements of a tensor of these dims. */
export function sizeOf(dims: readonly number[]): number {
  let size = 1
  for (const dim of dims) size *= dim
  return size
}

/** Writes a number into any typed array, rounding to bigint where the array needs it. */
export function setElement(data: AnyTypedArray, index: number, value: number): void {
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[index] = BigInt(Math.trunc(value))
  else data[index] = value
}

/** The float32 array of a value; throws InputError when it has another type. */
export function float32Of(value: TensorValue): Float32Array {
  if (value.data instanceof Float32Array) return value.data
  throw new InputError(`expected a float32 tensor, got ${value.dtype} [${value.dims}]`)
}

/**
 * Joins values along an axis, the first if not given. All must have the same dtype and the same remaining dims.
 * One value is returned as it is, without a copy.
 */
export function concatValues(values: readonly TensorValue[], axis = 0): TensorValue {
  const first = values[0]
  if (!first) throw new InputError('cannot join an empty list of tensors')
  if (values.length === 1) return first
  const rest = without(first.dims, axis)
  let length = 0
  for (const value of values) {
    if (value.dtype !== first.dtype || without(value.dims, axis) !== rest)
      throw new InputError(
        `samples differ: ${first.dtype} [${first.dims}] and ${value.dtype} [${value.dims}]; give all samples the same shape`,
      )
    length += value.dims[axis] ?? 1
  }
  const dims = first.dims.map((dim, i) => (i === axis ? length : dim))
  const data = makeArray(first.dtype, sizeOf(dims))
  const blocks = sizeOf(dims.slice(0, axis))
  const inner = sizeOf(dims.slice(axis + 1))
  let offset = 0
  for (let block = 0; block < blocks; block++)
    for (const value of values) {
      const run = (value.dims[axis] ?? 1) * inner
      copyInto(data, blocks === 1 ? value.data : value.data.subarray(block * run, (block + 1) * run), offset)
      offset += run
    }
  return { dtype: first.dtype, dims, data }
}

function without(dims: readonly number[], axis: number): string {
  return dims.filter((_, i) => i !== axis).join()
}

/** The part [from, to) of a value along an axis; along the first one without a copy. */
export function sliceValue(value: TensorValue, axis: number, from: number, to: number): TensorValue {
  const { dtype, data } = value
  const length = value.dims[axis] ?? 1
  if (from === 0 && to === length) return value
  const dims = value.dims.map((dim, i) => (i === axis ? to - from : dim))
  const blocks = sizeOf(dims.slice(0, axis))
  const inner = sizeOf(dims.slice(axis + 1))
  if (blocks === 1) return { dtype, dims, data: data.subarray(from * inner, to * inner) } as TensorValue
  const part = makeArray(dtype, sizeOf(dims))
  for (let block = 0; block < blocks; block++) {
    const start = block * length * inner
    copyInto(part, data.subarray(start + from * inner, start + to * inner), block * (to - from) * inner)
  }
  return { dtype, dims, data: part } as TensorValue
}

function copyInto(target: AnyTypedArray, source: AnyTypedArray, offset: number): void {
  if (target instanceof BigInt64Array || target instanceof BigUint64Array)
    target.set(source as ArrayLike<bigint>, offset)
  else target.set(source as ArrayLike<number>, offset)
}
