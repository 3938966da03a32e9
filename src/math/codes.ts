// QuantizeLinear and DequantizeLinear in TypeScript: the same arithmetic as ONNX Runtime, bit for bit.
import { InputError, UnsupportedError } from '../base/index.ts'
import { codeRange, type QuantParams, type QuantType } from './grid.ts'

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
  const range = codeRange(params.dtype, narrow && !params.wholeRange)
  const codes = makeCodes(params.dtype, values.length)
  const run = runLength(params, values.length, shape)
  if (run === 1) {
    quantizeColumns(values, params, range, codes)
    return codes
  }
  for (let from = 0, channel = 0; from < values.length; from += run, channel++) {
    if (channel === params.scale.length) channel = 0
    const grid = { scale: params.scale[channel] ?? 1, zero: params.zeroPoint[channel] ?? 0, ...range }
    quantizeRun(values.subarray(from, from + run), grid, codes.subarray(from, from + run))
  }
  return codes
}

/** x + MAGIC − MAGIC is x rounded to even where |x| < 2^51, and beyond all codes where it is not. */
const MAGIC = 1.5 * 2 ** 52

interface Grid {
  readonly scale: number
  readonly zero: number
  readonly low: number
  readonly high: number
}

/** Numbers with one scale. */
function quantizeRun(values: Float32Array, { scale, zero, low, high }: Grid, codes: Codes): void {
  for (let i = 0; i < values.length; i++) {
    const code = Math.fround(values[i]! / scale) + MAGIC - MAGIC + zero
    codes[i] = code <= low ? low : code >= high ? high : Number.isNaN(code) ? zero : code
  }
}

/** Rows of numbers with a scale for each column. */
function quantizeColumns(
  values: Float32Array,
  { scale, zeroPoint }: QuantParams,
  { low, high }: { readonly low: number; readonly high: number },
  codes: Codes,
): void {
  const columns = scale.length
  for (let from = 0; from < values.length; from += columns)
    for (let c = 0; c < columns; c++) {
      const code = Math.fround(values[from + c]! / scale[c]!) + MAGIC - MAGIC + zeroPoint[c]!
      codes[from + c] = code <= low ? low : code >= high ? high : Number.isNaN(code) ? zeroPoint[c]! : code
    }
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
