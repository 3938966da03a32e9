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
 * Joins values along their first axis. All must have the same dtype and the same remaining dims.
 * One value is returned as it is, without a copy.
 */
export function concatValues(values: readonly TensorValue[]): TensorValue {
  const first = values[0]
  if (!first) throw new InputError('cannot join an empty list of tensors')
  if (values.length === 1) return first
  const rest = first.dims.slice(1)
  let rows = 0
  for (const value of values) {
    if (value.dtype !== first.dtype || value.dims.slice(1).join() !== rest.join())
      throw new InputError(
        `samples differ: ${first.dtype} [${first.dims}] and ${value.dtype} [${value.dims}]; give all samples the same shape`,
      )
    rows += value.dims[0] ?? 1
  }
  const data = makeArray(first.dtype, rows * sizeOf(rest))
  let offset = 0
  for (const value of values) {
    copyInto(data, value.data, offset)
    offset += value.data.length
  }
  return { dtype: first.dtype, dims: [rows, ...rest], data }
}

function copyInto(target: AnyTypedArray, source: AnyTypedArray, offset: number): void {
  if (target instanceof BigInt64Array || target instanceof BigUint64Array)
    target.set(source as ArrayLike<bigint>, offset)
  else target.set(source as ArrayLike<number>, offset)
}
