// The integer grid of QuantizeLinear: codes, scales, zero points; the same arithmetic as ONNX Runtime, bit for bit.
import { InputError, UnsupportedError } from '../base/index.ts'
import { nextDown, roundToEven } from './round.ts'

/** Integer types a quantised tensor can have. */
export type QuantType = 'int8' | 'uint8' | 'int16' | 'uint16' | 'int4' | 'uint4'

/**
 * Quantisation parameters in ONNX QuantizeLinear's own convention: x ≈ (q − zeroPoint) · scale.
 * One element each, or one per slice along `axis`.
 */
export interface QuantParams {
  readonly dtype: QuantType
  readonly scale: Float32Array
  readonly zeroPoint: Int32Array
  readonly axis?: number
}

/** Lowest and highest code. `narrow` drops the lowest code of a signed type, so that −q is always a code. */
export function codeRange(dtype: QuantType, narrow = false): { low: number; high: number } {
  const width = Number(dtype.replace(/\D/g, ''))
  if (dtype.startsWith('u')) return { low: 0, high: 2 ** width - 1 }
  return { low: -(2 ** (width - 1)) + (narrow ? 1 : 0), high: 2 ** (width - 1) - 1 }
}

/** A scalar scale and zero point. */
export interface ScalarGrid {
  readonly scale: number
  readonly zeroPoint: number
}

const smallestNormal = 2 ** -126

/**
 * The asymmetric grid over [low, high], widened to hold zero (arXiv 1712.05877, section 2.1). The scale is float32.
 * With `bound`, the scale goes down by ulps until no code lies outside it: ONNX Runtime fuses Conv + Clip only then.
 * @throws InputError when an end is NaN or infinite
 */
export function asymmetricGrid(
  low: number,
  high: number,
  dtype: QuantType,
  bound: { low?: number; high?: number } = {},
): ScalarGrid {
  if (!Number.isFinite(low) || !Number.isFinite(high))
    throw new InputError(`cannot make a grid over [${low}, ${high}]: both ends must be finite`)
  const codes = codeRange(dtype)
  const from = Math.min(low, 0)
  const to = Math.max(high, 0)
  let scale = Math.fround((to - from) / (codes.high - codes.low))
  // No range, or one too small for float32: any value becomes zero.
  if (!(scale >= smallestNormal)) return { scale: 1, zeroPoint: clamp(0, codes.low, codes.high) }
  const zeroPoint = clamp(roundToEven(codes.low - from / scale), codes.low, codes.high)
  const outside = () =>
    (bound.high !== undefined &&
      Math.fround(scale * (codes.high - zeroPoint)) > Math.fround(bound.high) &&
      zeroPoint < codes.high) ||
    (bound.low !== undefined &&
      Math.fround(scale * (codes.low - zeroPoint)) < Math.fround(bound.low) &&
      zeroPoint > codes.low)
  // Rounding is off by an ulp or two; a range that is really wider than its bound is the caller's mistake.
  for (let i = 0; i < 4 && outside(); i++) scale = nextDown(scale)
  return { scale, zeroPoint }
}

/** The symmetric grid over [−absMax, absMax]: zero point 0, signed types without their lowest code. */
export function symmetricGrid(absMax: number, dtype: QuantType): ScalarGrid {
  if (!Number.isFinite(absMax)) throw new InputError(`cannot make a grid over ±${absMax}: it must be finite`)
  const scale = Math.fround(Math.abs(absMax) / codeRange(dtype, true).high)
  return { scale: scale >= smallestNormal ? scale : 1, zeroPoint: 0 }
}

/** The values of the lowest and the highest code. */
export function effectiveRange(grid: ScalarGrid, dtype: QuantType): { low: number; high: number } {
  const codes = codeRange(dtype)
  return {
    low: Math.fround((codes.low - grid.zeroPoint) * grid.scale),
    high: Math.fround((codes.high - grid.zeroPoint) * grid.scale),
  }
}

/** Typed array of the codes of a type; 4-bit codes take a byte each until they are packed. */
export type Codes = Int8Array | Uint8Array | Int16Array | Uint16Array

function makeCodes(dtype: QuantType, length: number): Codes {
  if (dtype === 'int16') return new Int16Array(length)
  if (dtype === 'uint16') return new Uint16Array(length)
  return dtype.startsWith('u') ? new Uint8Array(length) : new Int8Array(length)
}

/** Rows, channels and inner size of a tensor seen along its quantisation axis. */
function layout(params: QuantParams, length: number, shape: readonly number[]): { channels: number; inner: number } {
  if (params.axis === undefined) return { channels: 1, inner: length }
  const channels = shape[params.axis] ?? 0
  if (channels !== params.scale.length)
    throw new InputError(`${params.scale.length} scales for axis ${params.axis} of a tensor of shape [${shape}]`)
  return { channels, inner: shape.slice(params.axis + 1).reduce((a, b) => a * b, 1) }
}

/** Calls `visit` for each run of elements that share a scale. */
function eachRun(
  params: QuantParams,
  length: number,
  shape: readonly number[],
  visit: (from: number, to: number, scale: number, zero: number) => void,
): void {
  const { channels, inner } = layout(params, length, shape)
  if (inner === 0 || channels === 0) return
  for (let from = 0, run = 0; from < length; from += inner, run++) {
    const channel = run % channels
    visit(from, Math.min(from + inner, length), params.scale[channel] ?? 1, params.zeroPoint[channel] ?? 0)
  }
}

/** QuantizeLinear: float32 division, ties to even, saturating. NaN becomes the code of zero. `narrow` as in `codeRange`. */
export function quantize(values: Float32Array, params: QuantParams, shape: readonly number[], narrow = false): Codes {
  const { low, high } = codeRange(params.dtype, narrow)
  const codes = makeCodes(params.dtype, values.length)
  eachRun(params, values.length, shape, (from, to, scale, zero) => {
    for (let i = from; i < to; i++) {
      const code = roundToEven(Math.fround((values[i] ?? 0) / scale)) + zero
      codes[i] = code < low ? low : code > high ? high : code === code ? code : zero
    }
  })
  return codes
}

/** DequantizeLinear. */
export function dequantize(codes: Codes, params: QuantParams, shape: readonly number[]): Float32Array {
  const values = new Float32Array(codes.length)
  eachRun(params, codes.length, shape, (from, to, scale, zero) => {
    for (let i = from; i < to; i++) values[i] = ((codes[i] ?? 0) - zero) * scale
  })
  return values
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

function clamp(x: number, low: number, high: number): number {
  return Math.min(Math.max(x, low), high)
}
