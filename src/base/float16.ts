// float16 ↔ float32. ONNX Runtime and ONNX files carry float16 as its 16 bits.
import type { TensorValue } from './tensor-value.ts'

const float = new Float32Array(1)
const word = new Uint32Array(float.buffer)

/** Largest finite float16. */
export const float16Max = 65504

/** The float16 bits nearest to a number, ties to even; beyond ±65520 infinity, below 2^-25 zero, NaN stays NaN. */
export function toFloat16Bits(value: number): number {
  float[0] = value
  const bits = word[0]!
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  if (magnitude >= 0x477ff000) return sign | 0x7c00
  if (magnitude < 0x38800000) {
    // A denormal is a multiple of 2^-24: let the float32 unit round it.
    float[0] = Math.abs(value) + 0.5
    return sign | (word[0]! - 0x3f000000)
  }
  // Rebias the exponent by 127 − 15 and round away the last 13 bits, ties to even.
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13)
}

/** The number that float16 bits stand for. */
export function fromFloat16Bits(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >>> 10) & 31
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  word[0] = ((bits & 0x8000) << 16) | ((exponent + 112) << 23) | (fraction << 13)
  return float[0]!
}

let table: Float32Array | undefined

/** float16 bits to float32 values. */
export function float16ToFloat32(bits: Uint16Array): Float32Array {
  table ??= Float32Array.from({ length: 65536 }, (_, i) => fromFloat16Bits(i))
  const values = new Float32Array(bits.length)
  for (let i = 0; i < bits.length; i++) values[i] = table[bits[i]!]!
  return values
}

/** Numbers, each rounded to float32 first, to float16 bits: to nearest, ties to even. */
export function float32ToFloat16(values: ArrayLike<number>): Uint16Array {
  const bits = new Uint16Array(values.length)
  for (let i = 0; i < values.length; i++) bits[i] = toFloat16Bits(values[i]!)
  return bits
}

/** The same values with float16 ones as float32: outputs, for whoever computes with them. */
export function withoutFloat16(values: Readonly<Record<string, TensorValue>>): Readonly<Record<string, TensorValue>> {
  if (!Object.values(values).some(({ dtype }) => dtype === 'float16')) return values
  return Object.fromEntries(
    Object.entries(values).map(([name, value]): [string, TensorValue] => [
      name,
      value.dtype === 'float16' && value.data instanceof Uint16Array
        ? { dtype: 'float32', dims: value.dims, data: float16ToFloat32(value.data) }
        : value,
    ]),
  )
}
