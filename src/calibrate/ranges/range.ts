// A range setting: from what was seen of a tensor to the range its grid shall cover.
import { InputError, UsageError } from '../../base/index.ts'
import { codeRange, type Histogram, type QuantType } from '../../math/index.ts'
import type { RangeMethod } from '../../recipe/index.ts'

export type { RangeMethod }

/** What calibration has seen of a tensor. Only finite values count, except in `nonFinite`. */
export interface TensorStatistics {
  readonly count: number
  readonly nonFinite: number
  readonly zeros: number
  readonly min: number
  readonly max: number
  /** How far beyond `min` and `max` new samples are expected to reach; see `marginOf`. */
  readonly margin?: { readonly low: number; readonly high: number }
  /** The distribution, of all values or of a sample. */
  readonly histogram?: Histogram
}

/** The statistics that a histogram of all values knows. */
export function statisticsOf(histogram: Histogram): TensorStatistics {
  const { count, nonFinite, zeros, min, max } = histogram
  return { count, nonFinite, zeros, min, max, histogram }
}

export interface RangeOptions {
  readonly dtype: QuantType
  /** Zero point 0 and a range ±a; [0, a] for an unsigned type. */
  readonly symmetric?: boolean
  /** A signed type without its lowest code. */
  readonly narrow?: boolean
  /** Per cent of the values below the upper end; default 99.99. */
  readonly percentile?: number
  /** The producer's range, which the result never exceeds: 0 after Relu. */
  readonly lowBound?: number
  readonly highBound?: number
}

export interface Range {
  readonly low: number
  readonly high: number
}

/** One way to choose a range. */
export interface RangeSetting {
  readonly name: RangeMethod
  /** Does it need `statistics.histogram`? */
  readonly needsHistogram: boolean
  /**
   * The range to encode. It holds 0, lies inside the producer's bounds and is even on both sides when symmetric.
   * @throws InputError when the histogram it needs is missing
   * @throws UsageError when an unsigned symmetric grid is asked for values below 0
   */
  readonly range: (statistics: TensorStatistics, options: RangeOptions) => Range
}

/** A range setting whose raw ranges are widened to hold 0, made symmetric and clamped to the producer's bounds. */
export function defineRange(setting: RangeSetting): RangeSetting {
  return {
    ...setting,
    range: (statistics, options) => {
      if (statistics.count === 0) return { low: 0, high: 0 }
      if (setting.needsHistogram && !statistics.histogram)
        throw new InputError(`range "${setting.name}" needs a histogram, and none was collected; use minmax`)
      const signed = codeRange(options.dtype).low < 0
      if (options.symmetric && !signed && statistics.min < 0)
        throw new UsageError(
          `a symmetric ${options.dtype} grid cannot hold ${statistics.min}; use a signed type or an asymmetric grid`,
        )
      const { low, high } = withMargin(setting.range(statistics, options), statistics)
      const end = Math.max(-low, high)
      return clampToBounds(options.symmetric ? { low: signed ? -end : 0, high: end } : { low, high }, options)
    },
  }
}

/** An end this near to the extreme, as a share of what was seen, means to hold it: so far do margins reach, too. */
const NEAR = 1 / 8

/** Ends that all but hold what was seen hold what new samples bring, as far as that is foreseen; where one clips on purpose it stays. */
function withMargin({ low, high }: Range, { min, max, margin }: TensorStatistics): Range {
  if (!margin) return { low, high }
  const near = NEAR * (Math.max(max, 0) - Math.min(min, 0))
  return {
    low: margin.low > 0 && low - min <= near ? Math.min(low, min - margin.low) : low,
    high: margin.high > 0 && max - high <= near ? Math.max(high, max + margin.high) : high,
  }
}

function clampToBounds({ low, high }: Range, { lowBound, highBound }: RangeOptions): Range {
  return {
    low: Math.min(Math.max(Math.min(low, 0), lowBound ?? Number.NEGATIVE_INFINITY), 0),
    high: Math.max(Math.min(Math.max(high, 0), highBound ?? Number.POSITIVE_INFINITY), 0),
  }
}
