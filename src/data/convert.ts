// The same numbers in another element type: what is stored is seldom the type the model wants.
import { fromFloat16Bits, makeArray, type TensorValue, toFloat16Bits, type ValueType } from '../base/index.ts'

type Range = readonly [number, number]

const ranges: Partial<Record<ValueType, Range>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-2147483648, 2147483647],
  uint32: [0, 4294967295],
  bool: [0, 1],
}

/** Element types that hold fractions. */
export function isFloatType(dtype: string): boolean {
  return dtype === 'float32' || dtype === 'float64' || dtype === 'float16'
}

/** Element `index` as a number; float16 bits are decoded, 64-bit integers lose what a double cannot hold. */
export function elementOf(value: TensorValue, index: number): number {
  const element = value.data[index] ?? 0
  return value.dtype === 'float16' ? fromFloat16Bits(Number(element)) : Number(element)
}

/** The values in another element type. Into integers they are rounded and saturated; NaN becomes 0. */
export function convertValue(value: TensorValue, dtype: ValueType): TensorValue {
  if (value.dtype === dtype) return value
  const { dims } = value
  const data = makeArray(dtype, value.data.length)
  const range = ranges[dtype]
  for (let index = 0; index < data.length; index++) {
    const element = elementOf(value, index)
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[index] = toBigInt(value, index)
    else if (dtype === 'float16') data[index] = toFloat16Bits(element)
    else data[index] = range ? saturate(element, range) : element
  }
  return { dtype, dims, data }
}

function toBigInt(value: TensorValue, index: number): bigint {
  const element = value.data[index]
  if (typeof element === 'bigint') return element
  const number = Math.round(elementOf(value, index))
  return Number.isFinite(number) ? BigInt(number) : 0n
}

function saturate(element: number, [low, high]: Range): number {
  const rounded = Math.round(element)
  return rounded < low ? low : rounded > high ? high : rounded || 0
}
