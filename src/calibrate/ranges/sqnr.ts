// SQNR ("tf_enhanced"): as MSE, with clipping counted three times, over a grid of steps and offsets.
import { asymmetricGrid, codeRange, roundToEven } from '../../math/index.ts'
import { type Bins, binsOf, observedRange } from './bins.ts'
import { type GridCost, gridCost } from './grid-cost.ts'
import { defineRange, type Range, type RangeOptions, type RangeSetting } from './range.ts'

const clipWeight = 3

/** Minimises Σ inside (x − x̂)² + 3·Σ clipped (x − x̂)² over the histogram. */
export const sqnr: RangeSetting = defineRange({
  name: 'sqnr',
  needsHistogram: true,
  range: ({ min, max, histogram }, options) => {
    if (!histogram) return { low: min, high: max }
    const bins = binsOf(histogram)
    return searchSqnr(bins, options, gridCost(bins))
  },
})

/**
 * The candidate with the lowest cost; the first of equals.
 * Symmetric: steps k/100 of the widest, k = 1…101. Asymmetric: steps k/16 of the widest, k = 1…17, times 21 offsets
 * (20 from all of the grid below zero to all above, and the observed one), each cut to the observed range; and the
 * observed range itself.
 */
export function searchSqnr(bins: Bins, options: RangeOptions, cost: GridCost): Range {
  const candidates = options.symmetric ? symmetricCandidates : asymmetricCandidates
  let best: Range = { low: 0, high: 0 }
  let lowest = Number.POSITIVE_INFINITY
  for (const candidate of candidates(bins, options)) {
    const got = cost(candidate, clipWeight)
    if (!(got < lowest)) continue
    lowest = got
    best = candidate
  }
  return best
}

interface Candidate extends Range {
  readonly scale: number
  readonly lowest: number
  readonly highest: number
}

function* symmetricCandidates(bins: Bins, { dtype, narrow }: RangeOptions): Generator<Candidate> {
  const { low, high } = observedRange(bins)
  const codes = codeRange(dtype, narrow)
  // An unsigned grid has all its steps on one side.
  const steps = codes.low < 0 ? (codes.high - codes.low) / 2 : codes.high
  const widest = Math.max(-low, high) / steps
  for (let k = 1; k <= 101; k++) {
    const scale = (k / 100) * widest
    yield {
      scale,
      lowest: codes.low,
      highest: codes.high,
      low: codes.low < 0 ? -scale * codes.high : 0,
      high: scale * codes.high,
    }
  }
}

function* asymmetricCandidates(bins: Bins, { dtype }: RangeOptions): Generator<Candidate> {
  const observed = observedRange(bins)
  const codes = codeRange(dtype)
  const steps = codes.high - codes.low
  const widest = (observed.high - observed.low) / steps
  if (widest === 0) return
  const encoded = (low: number, high: number): Candidate => {
    const { scale, zeroPoint } = asymmetricGrid(low, high, dtype)
    return { scale, lowest: codes.low - zeroPoint, highest: codes.high - zeroPoint, low, high }
  }
  // The observed range with zero on its grid.
  const ownOffset = roundToEven(observed.low / widest)
  const [lowEnd, highEnd] = [ownOffset * widest, (ownOffset + steps) * widest]
  const offsets = [...Array.from({ length: 20 }, (_, i) => roundToEven(-steps + (steps * i) / 19)), ownOffset]
  for (let k = 1; k <= 17; k++)
    for (const offset of offsets) {
      const scale = (k / 16) * widest
      const [from, to] = [offset * scale, (offset + steps) * scale]
      const low = Math.max(lowEnd, from)
      const high = Math.min(highEnd, to)
      // One that covers everything is the observed range, one that collapses holds nothing.
      if ((from < lowEnd && to > highEnd) || high <= low) continue
      yield encoded(low, high)
    }
  yield encoded(observed.low, observed.high)
}
