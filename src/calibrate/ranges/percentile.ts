// percentile: leave out the rarest values at both ends.
import { UsageError } from '../../base/index.ts'
import { type Bins, binsOf } from './bins.ts'
import { defineRange, type RangeSetting } from './range.ts'

/**
 * The quantiles 1 − p and p of all values, exact zeros included; an end at zero stays there.
 * @throws UsageError when the percentile is not above 50 and at most 100
 */
export const percentile: RangeSetting = defineRange({
  name: 'percentile',
  needsHistogram: true,
  range: ({ min, max, histogram }, { percentile = 99.99 }) => {
    if (!(percentile > 50 && percentile <= 100))
      throw new UsageError(
        `percentile ${percentile} is not a share of values in per cent; give one like 99.99, up to 100`,
      )
    if (percentile === 100 || !histogram) return { low: min, high: max }
    const quantile = quantiles(binsOf(histogram))
    return {
      low: min >= 0 ? 0 : Math.max(min, quantile(1 - percentile / 100)),
      high: max <= 0 ? 0 : Math.min(max, quantile(percentile / 100)),
    }
  },
})

/** Quantile p (0..1) by linear interpolation at (n − 1)·p between values spread evenly over their bins. */
export function quantiles(bins: Bins): (p: number) => number {
  const total = bins.zeros + bins.counts.reduce((a, b) => a + b, 0)
  return (p) => {
    const at = (total - 1) * p
    const low = valueAt(bins, Math.floor(at))
    const high = valueAt(bins, Math.ceil(at))
    return low + (high - low) * (at - Math.floor(at))
  }
}

/** The value of rank `rank`, from 0. */
function valueAt({ first, width, counts, zeros }: Bins, rank: number): number {
  let before = 0
  let passedZero = false
  for (let j = 0; j < counts.length; j++) {
    if (!passedZero && first + j >= 0) {
      passedZero = true
      if (rank < before + zeros) return 0
      before += zeros
    }
    const count = counts[j]!
    if (rank < before + count) return (first + j + (rank - before + 0.5) / count) * width
    before += count
  }
  return passedZero ? (first + counts.length) * width : 0
}
