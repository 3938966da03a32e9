// Weights as float64 and back: arithmetic on weights is done in double precision and rounded once.
import { UnsupportedError } from '../base/index.ts'
import { float16Max, float32ToFloat16 } from '../math/index.ts'
import { type DType, Tensor } from '../onnx/index.ts'

/** The elements of a tensor in double precision. Fresh: may be written to. */
export function doublesOf(tensor: Tensor): Float64Array {
  return Float64Array.from(tensor.dtype === 'float64' ? tensor.numbers() : tensor.floats())
}

/**
 * A tensor of `dtype` from numbers, each rounded to nearest.
 * @throws UnsupportedError when `dtype` is not float32, float64, float16 or bfloat16
 */
export function floatTensor(dtype: DType, shape: readonly number[], values: ArrayLike<number>): Tensor {
  switch (dtype) {
    case 'float32':
      return Tensor.from('float32', shape, Float32Array.from(values))
    case 'float64':
      return Tensor.from('float64', shape, Float64Array.from(values))
    case 'float16':
      return Tensor.from('float16', shape, float32ToFloat16(values))
    case 'bfloat16':
      return new Tensor('bfloat16', shape, new Uint8Array(Uint16Array.from(values, toBfloat16Bits).buffer))
    default:
      throw new UnsupportedError(`cannot compute with ${dtype} weights; they must be float32, float64 or float16`)
  }
}

/** Smallest float16 that has all its bits. */
const SMALLEST_NORMAL_16 = 2 ** -14

/** Can a type hold these numbers as well as any others? float16 ends at 65504 and loses bits below 2^-14. */
export function holds(dtype: DType, largest: number): boolean {
  return dtype !== 'float16' || largest === 0 || (largest >= SMALLEST_NORMAL_16 && largest <= float16Max)
}

const float = new Float32Array(1)
const word = new Uint32Array(float.buffer)

/** The upper half of the float32 bits, ties to even. */
function toBfloat16Bits(value: number): number {
  float[0] = value
  const bits = word[0] ?? 0
  return Number.isNaN(value) ? 0x7fc0 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
}
