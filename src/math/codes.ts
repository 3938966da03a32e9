// QuantizeLinear and DequantizeLinear in TypeScript: the same arithmetic as ONNX Runtime, bit for bit.
import { InputError, UnsupportedError } from '../base/index.ts'
import { codeRange, type QuantParams, type QuantType } from './grid.ts'
import { roundToEven } from './round.ts'

/** Typed array of the codes of a type; 4-bit codes take a byte each until they are packed. */
export type Codes = Int8Array | Uint8Array | Int16Array | Uint16Array

function makeCodes(dtype: QuantType, length: number): Codes {
  if (dtype === 'int16') return new Int16Array(length)
  if (dtype === 'uint16') return new Uint16Array(length)
  return dtype.startsWith('u') ? new Uint8Array(length) : new Int8Array(length)
}

/** Elements of `shape` that share a scale, in one run; runs take the scales in turn. */
function runLength(params: QuantParams, length: number, shape: readonly number[]): number {
  if (params.axis === undefined) return length
  const channels = shape[params.axis] ?? 0
  if (channels !== params.scale.length)
    throw new InputError(`${params.scale.length} scales for axis ${params.axis} of a tensor of shape [${shape}]`)
  return shape.slice(params.axis + 1).reduce((a, b) => a * b, 1)
}

/**
 * QuantizeLinear: float32 division, ties to even, saturating. NaN becomes the code of zero. `narrow` as in `codeRange`, unless the grid has the whole range.
 * @throws InputError when the number of scales is not the size of the axis
 */
export function quantize(values: Float32Array, params: QuantParams, shape: readonly number[], narrow = false): Codes {
  const { low, high } = codeRange(params.dtype, narrow && !params.wholeRange)
  const codes = makeCodes(params.dtype, values.length)
  const run = runLength(params, values.length, shape)
  const { length } = params.scale
  // Neighbours with a scale each: a loop of one step for every element costs several times what the step does.
  if (run === 1) {
    const { scale, zeroPoint } = params
    for (let i = 0, channel = 0; i < values.length; i++) {
      const zero = zeroPoint[channel] ?? 0
      const code = roundToEven(Math.fround(values[i]! / scale[channel]!)) + zero
      codes[i] = code <= low ? low : code >= high ? high : Number.isNaN(code) ? zero : code
      if (++channel === length) channel = 0
    }
    return codes
  }
  for (let from = 0, channel = 0; from < values.length; from += run, channel++) {
    if (channel === length) channel = 0
    const scale = params.scale[channel] ?? 1
    const zero = params.zeroPoint[channel] ?? 0
    for (let i = from; i < from + run; i++) {
      const code = roundToEven(Math.fround((values[i] ?? 0) / scale)) + zero
      codes[i] = code <= low ? low : code >= high ? high : Number.isNaN(code) ? zero : code
    }
  }
  return codes
}

/**
 * DequantizeLinear.
 * @throws InputError when the number of scales is not the size of the axis
 */
export function dequantize(codes: Codes, params: QuantParams, shape: readonly number[]): Float32Array {
  const values = new Float32Array(codes.length)
  const run = runLength(params, codes.length, shape)
  for (let from = 0, channel = 0; from < codes.length; from += run, channel++) {
    if (channel === params.scale.length) channel = 0
    const scale = params.scale[channel] ?? 1
    const zero = params.zeroPoint[channel] ?? 0
    for (let i = from; i < from + run; i++) values[i] = ((codes[i] ?? 0) - zero) * scale
  }
  return values
}

/** Quantises and dequantises: the values that a quantised model computes with. */
export function fakeQuantize(
  values: Float32Array,
  params: QuantParams,
  shape: readonly number[],
  narrow = false,
): Float32Array {
  return dequantize(quantize(values, params, shape, narrow), params, shape)
}

/** Packs 4-bit codes two to a byte, low nibble first, as ONNX stores int4 and uint4. */
export function packNibbles(codes: Codes): Uint8Array {
  if (codes instanceof Int16Array || codes instanceof Uint16Array)
    throw new UnsupportedError('only 4-bit codes can be packed')
  const packed = new Uint8Array(Math.ceil(codes.length / 2))
  for (let i = 0; i < codes.length; i++)
    packed[i >> 1] = (packed[i >> 1] ?? 0) | (((codes[i] ?? 0) & 15) << (4 * (i & 1)))
  return packed
}

/** The `length` 4-bit codes that `packNibbles` packed. */
export function unpackNibbles(packed: Uint8Array, dtype: 'int4' | 'uint4', length: number): Int8Array | Uint8Array {
  const codes = dtype === 'int4' ? new Int8Array(length) : new Uint8Array(length)
  const sign = dtype === 'int4' ? 8 : 0
  for (let i = 0; i < length; i++) codes[i] = ((((packed[i >> 1] ?? 0) >> (4 * (i & 1))) & 15) ^ sign) - sign
  return codes
}
