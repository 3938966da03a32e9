// The integer grid of QuantizeLinear: which scale and zero point a range gets.
import { InputError } from '../base/index.ts'
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
  /** Weights, too, take the lowest code of a signed type, which a grid that is even around 0 has no use for. */
  readonly wholeRange?: true
}

/** A scalar scale and zero point. */
export interface ScalarGrid {
  readonly scale: number
  readonly zeroPoint: number
}

const codeRanges: { readonly [T in QuantType]: readonly [low: number, high: number] } = {
  int4: [-8, 7],
  uint4: [0, 15],
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
}

/** Lowest and highest code. `narrow` drops the lowest code of a signed type, so that −q is always a code. */
export function codeRange(dtype: QuantType, narrow = false): { low: number; high: number } {
  const [low, high] = codeRanges[dtype]
  return { low: narrow && low < 0 ? low + 1 : low, high }
}

const smallestNormal = 2 ** -126

/**
 * The asymmetric grid over [low, high], widened to hold zero (arXiv 1712.05877, section 2.1). The scale is float32.
 * With `bound`, the range of an activation in front, no code lies outside it: only then does ONNX Runtime run
 * Conv + Relu or Conv + Clip in integers. A range of zero, or one too small for float32, gives scale 1, zero point 0;
 * a bound makes that scale smaller, and a lower bound of 0 makes the zero point the lowest code.
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
  // Zero is always a code, so a bound that excludes it can only hold up to zero.
  const lowest = Math.min(bound.low ?? Number.NEGATIVE_INFINITY, 0)
  const highest = Math.max(bound.high ?? Number.POSITIVE_INFINITY, 0)
  const from = Math.max(Math.min(low, 0), lowest)
  const to = Math.min(Math.max(high, 0), highest)
  const ends = { low: lowest, high: highest }
  const exact = (to - from) / (codes.high - codes.low)
  const scale = Math.fround(exact)
  if (!(scale >= smallestNormal)) {
    const zeroPoint = lowest === 0 ? codes.low : 0
    return { scale: within(1, stepsOf(codes, zeroPoint), ends), zeroPoint }
  }
  // From the unrounded scale: [−1, 1] is a tie and goes to 128, as in ONNX Runtime's own quantiser.
  const zeroPoint = clamp(roundToEven(codes.low - from / exact), codes.low, codes.high)
  return { scale: within(scale, stepsOf(codes, zeroPoint), ends), zeroPoint }
}

interface Ends {
  readonly low: number
  readonly high: number
}

/** Steps from zero to the lowest and to the highest code. */
function stepsOf(codes: Ends, zeroPoint: number): Ends {
  return { low: codes.low - zeroPoint, high: codes.high - zeroPoint }
}

/** The highest float32 scale, at most `scale`, for which the steps down and up stay inside [lowest, highest]. */
function within(scale: number, { low: down, high: up }: Ends, { low: lowest, high: highest }: Ends): number {
  let fitting = scale
  // The rounded zero point may have pushed an end out by half a step, float32 by an ulp.
  if (up > 0) fitting = Math.min(fitting, Math.fround(highest / up))
  if (down < 0) fitting = Math.min(fitting, Math.fround(lowest / down))
  while (fitting > 0 && (Math.fround(fitting * up) > highest || Math.fround(fitting * down) < lowest))
    fitting = nextDown(fitting)
  return fitting >= smallestNormal ? fitting : scale
}

/**
 * The symmetric grid over [−absMax, absMax], zero point 0. A signed type keeps its lowest code out of the scale;
 * an unsigned one covers [0, absMax].
 * @throws InputError when absMax is NaN or infinite
 */
export function symmetricGrid(absMax: number, dtype: QuantType): ScalarGrid {
  if (!Number.isFinite(absMax)) throw new InputError(`cannot make a grid over ±${absMax}: it must be finite`)
  const scale = Math.fround(Math.abs(absMax) / codeRange(dtype).high)
  return { scale: scale >= smallestNormal ? scale : 1, zeroPoint: 0 }
}

/** The values of the lowest and the highest code, in float32. */
export function effectiveRange(grid: ScalarGrid, dtype: QuantType, narrow = false): { low: number; high: number } {
  const codes = codeRange(dtype, narrow)
  return {
    low: Math.fround((codes.low - grid.zeroPoint) * grid.scale),
    high: Math.fround((codes.high - grid.zeroPoint) * grid.scale),
  }
}

function clamp(x: number, low: number, high: number): number {
  return Math.min(Math.max(x, low), high)
}
