// The grid of an activation: from what samples showed, what its operator can give, what its readers hear, and what somebody said.
import { type Range, rangeSettingOf, type TensorStatistics } from '../calibrate/index.ts'
import {
  asymmetricGrid,
  codeRange,
  effectiveRange,
  type QuantParams,
  type QuantType,
  symmetricGrid,
} from '../math/index.ts'
import { isOp, type Node } from '../onnx/index.ts'
import type { Heard } from './heard.ts'
import type { QuantizeOptions } from './options.ts'
import type { Override } from './overrides.ts'
import type { PlacedTensor } from './placement/tensors.ts'
import type { Target } from './targets/target.ts'

/** The grid of an activation. */
export interface ActivationGrid {
  readonly params: QuantParams
  /** Values of the lowest and highest code. */
  readonly low: number
  readonly high: number
  /** Where the range came from, in words. */
  readonly method: string
  readonly observed?: { readonly min: number; readonly max: number }
}

/** Sigmoid and Softmax fill [0, 1]: no looking needed. */
export function isUnit({ bounds }: PlacedTensor): boolean {
  return bounds.low === 0 && bounds.high === 1
}

/** A tensor with what is known of its values. */
interface SeenTensor extends PlacedTensor {
  readonly seen: TensorStatistics | undefined
  /** What its readers can hear of it, when that is less than all. */
  readonly heard: Heard | undefined
}

/** The grid of a value from what was seen of it, within the bounds of what produces it; what is said of it goes first. */
export function activationGrid(
  tensor: SeenTensor,
  options: QuantizeOptions,
  { activations, fusion, tiesDiffer }: Target,
  { range: ends, type, symmetric = activations.symmetric }: Override = {},
): ActivationGrid {
  const dtype = typeOf({ type }, options.activationType)
  const { bounds, seen } = tensor
  const fixed = isUnit(tensor) || !seen
  const given = ends && { low: ends[0] ?? 0, high: ends[1] ?? 0 }
  const method = options.minmaxValues?.has(tensor.value) ? 'minmax' : options.range
  const found =
    given ??
    (fixed
      ? { low: Number.isFinite(bounds.low) ? bounds.low : 0, high: Number.isFinite(bounds.high) ? bounds.high : 0 }
      : audibleRange(tensor, (bounds) =>
          rangeSettingOf(method).range(seen, { dtype, symmetric: activations.symmetric, ...bounds }),
        ))
  const range = tiesDiffer && !given && !symmetric ? withoutTies(found, dtype) : found
  // A grid that leaves the activation's range by one float32 step stops the fusion.
  const within = fusion.blockedBy.includes('wider-grid') && !symmetric && !given
  const finite = {
    ...(within && Number.isFinite(bounds.low) ? { low: bounds.low } : {}),
    ...(within && Number.isFinite(bounds.high) ? { high: bounds.high } : {}),
  }
  const reach = Math.max(Math.abs(range.low), Math.abs(range.high))
  const grid = !symmetric
    ? asymmetricGrid(range.low, range.high, dtype, finite)
    : dtype.startsWith('u') && range.low < 0
      ? asymmetricGrid(-reach, reach, dtype)
      : symmetricGrid(reach, dtype)
  return {
    params: { dtype, scale: Float32Array.of(grid.scale), zeroPoint: Int32Array.of(grid.zeroPoint) },
    ...effectiveRange(grid, dtype),
    method: given ? 'given by --overrides' : fixed ? 'the range of the operator' : method,
    ...(seen ? { observed: { min: seen.min, max: seen.max } } : {}),
  }
}

/** The grid that the kernel of what makes a value needs, if it needs a certain one. */
export function fixedGrid(
  { bounds: _, ...tensor }: PlacedTensor,
  maker: Node | undefined,
  { target, activationType }: QuantizeOptions,
  said: Override,
): QuantParams | undefined {
  const dtype = typeOf(said, activationType)
  const grid = target.ops.find(({ op }) => maker && isOp(maker, op))?.resultGrids?.[dtype]
  return grid && tensor.integerProducer
    ? { dtype, scale: Float32Array.of(grid.scale), zeroPoint: Int32Array.of(grid.zeroPoint) }
    : undefined
}

/** The grid of a constant operand, over all of it. */
export function constantGrid(
  values: Float32Array,
  { target, activationType }: QuantizeOptions,
  said: Override,
): ActivationGrid {
  const dtype = typeOf(said, activationType)
  const [low, high] = [values.reduce((a, b) => Math.min(a, b), 0), values.reduce((a, b) => Math.max(a, b), 0)]
  const symmetric = said.symmetric ?? target.activations.symmetric
  return givenGrid(paramsOver(low, high, dtype, symmetric), 'the constant')
}

/** The same values in codes of another type, over the same range. */
export function inType({ low, high, params }: ActivationGrid, dtype: QuantType): QuantParams {
  return paramsOver(low, high, dtype, params.zeroPoint[0] === 0 && !dtype.startsWith('u'))
}

function paramsOver(low: number, high: number, dtype: QuantType, symmetric: boolean): QuantParams {
  const grid = symmetric ? symmetricGrid(Math.max(-low, high), dtype) : asymmetricGrid(low, high, dtype)
  return { dtype, scale: Float32Array.of(grid.scale), zeroPoint: Int32Array.of(grid.zeroPoint) }
}

const typeOf = ({ type }: Override, usual: QuantizeOptions['activationType']) =>
  type === undefined || type === 'int4' ? usual : type

/** A grid as somebody gave it. @param method where it comes from */
export function givenGrid(params: QuantParams, method: string): ActivationGrid {
  const grid = { scale: params.scale[0] ?? 1, zeroPoint: params.zeroPoint[0] ?? 0 }
  return { params, ...effectiveRange(grid, params.dtype), method }
}

/** Where 0 lies half-way between two codes, so does all that is whole steps from the ends: a range that is a step wider. */
function withoutTies({ low, high }: Range, dtype: QuantType): Range {
  const codes = codeRange(dtype)
  const step = (Math.max(high, 0) - Math.min(low, 0)) / (codes.high - codes.low)
  const place = Math.abs(Math.min(low, 0) / step) % 1
  return Math.abs(place - 0.5) < 2 ** -7 ? { low, high: high + step } : { low, high }
}

/** A range within the bounds of what produces a tensor, and no wider than its readers can hear. */
function audibleRange({ bounds, heard }: SeenTensor, range: (ends: Ends) => Range): Range {
  const found = range({ lowBound: bounds.low, highBound: bounds.high })
  const ends = heard?.(found.low, found.high)
  if (!ends) return found
  return range({ lowBound: Math.max(bounds.low, ends.low), highBound: Math.min(bounds.high, ends.high) })
}

interface Ends {
  readonly lowBound: number
  readonly highBound: number
}
