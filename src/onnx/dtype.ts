// ONNX element types: their numbers in files, their names here, their size.

/** Name → number in TensorProto.DataType. Names follow numpy and ONNX Runtime. */
const numbers = {
  undefined: 0,
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  complex64: 14,
  complex128: 15,
  bfloat16: 16,
  float8e4m3fn: 17,
  float8e4m3fnuz: 18,
  float8e5m2: 19,
  float8e5m2fnuz: 20,
  uint4: 21,
  int4: 22,
  float4e2m1: 23,
  float8e8m0: 24,
  uint2: 25,
  int2: 26,
} as const

/** Element type of a tensor in a file. A type this version does not know is `type27`, and passes through untouched. */
export type DType = keyof typeof numbers | `type${number}`

const byNumber = new Map<number, DType>(Object.entries(numbers).map(([name, number]) => [number, name as DType]))

const bits: Partial<Record<DType, number>> = {
  float32: 32,
  uint8: 8,
  int8: 8,
  uint16: 16,
  int16: 16,
  int32: 32,
  int64: 64,
  bool: 8,
  float16: 16,
  float64: 64,
  uint32: 32,
  uint64: 64,
  complex64: 64,
  complex128: 128,
  bfloat16: 16,
  float8e4m3fn: 8,
  float8e4m3fnuz: 8,
  float8e5m2: 8,
  float8e5m2fnuz: 8,
  float8e8m0: 8,
  uint4: 4,
  int4: 4,
  float4e2m1: 4,
  uint2: 2,
  int2: 2,
}

/** The name of an element type number. */
export function dtypeOf(number: number): DType {
  return byNumber.get(number) ?? `type${number}`
}

/** The number of an element type in a file. */
export function dtypeNumber(dtype: DType): number {
  return Object.hasOwn(numbers, dtype) ? numbers[dtype as keyof typeof numbers] : Number(dtype.slice('type'.length))
}

/** Bytes that `count` elements take, or undefined for strings and unknown types. Sub-byte types are packed. */
export function byteLengthOf(dtype: DType, count: number): number | undefined {
  const size = bits[dtype]
  return size === undefined ? undefined : Math.ceil((count * size) / 8)
}

/** float32, float16, float64 or bfloat16? */
export function isFloat(dtype: DType): boolean {
  return dtype === 'float32' || dtype === 'float16' || dtype === 'float64' || dtype === 'bfloat16'
}
