// MSE: the range with the least expected squared error.
import { asymmetricGrid, codeRange, symmetricGrid } from '../../math/index.ts'
import { binsOf } from './bins.ts'
import { gridCost } from './grid-cost.ts'
import { defineRange, type Range, type RangeOptions, type RangeSetting } from './range.ts'

/** Clipping a few values against finer steps for all others: minimises Σ (x − x̂)² over the histogram. */
export const mse: RangeSetting = defineRange({
  name: 'mse',
  needsHistogram: true,
  range: ({ min, max, histogram }, options) => {
    if (!histogram) return { low: min, high: max }
    const cost = gridCost(binsOf(histogram))
    return searchMse(min, max, options, (scale, lowest, highest) => cost({ scale, lowest, highest }, 1))
  },
})

/**
 * The range with the lowest `cost` of its grid (scale, lowest and highest step from zero); the first of equals.
 * Symmetric: absmax·k/100, k = 20…100, then steps of 1/400 and 1/1600 around the best.
 * Asymmetric: all pairs (min·i/20, max·j/20), then steps of 1/80 and 1/320 around the best pair.
 */
export function searchMse(
  min: number,
  max: number,
  options: RangeOptions,
  cost: (scale: number, lowest: number, highest: number) => number,
): Range {
  const { dtype, symmetric, narrow } = options
  const codes = codeRange(dtype, narrow)
  let best: Range = { low: 0, high: 0 }
  let [bestLow, bestHigh] = [1, 1]
  let lowest = Number.POSITIVE_INFINITY
  const attempt = (lowShare: number, highShare: number) => {
    const range = { low: Math.min(min, 0) * lowShare, high: Math.max(max, 0) * highShare }
    const grid = symmetric
      ? symmetricGrid(Math.max(-range.low, range.high), dtype)
      : asymmetricGrid(range.low, range.high, dtype)
    const got = cost(grid.scale, codes.low - grid.zeroPoint, codes.high - grid.zeroPoint)
    if (!(got < lowest)) return
    lowest = got
    best = range
    bestLow = lowShare
    bestHigh = highShare
  }
  if (symmetric) {
    for (let k = 20; k <= 100; k++) attempt(k / 100, k / 100)
    for (const step of [1 / 400, 1 / 1600]) for (const share of around(bestLow, step)) attempt(share, share)
    return best
  }
  // A side without values has nothing to choose.
  const all = Array.from({ length: 20 }, (_, i) => (i + 1) / 20)
  const lows = min < 0 ? all : [1]
  const highs = max > 0 ? all : [1]
  for (const low of lows) for (const high of highs) attempt(low, high)
  for (const step of [1 / 80, 1 / 320]) {
    const refinedHighs = max > 0 ? around(bestHigh, step) : [1]
    for (const low of min < 0 ? around(bestLow, step) : [1]) for (const high of refinedHighs) attempt(low, high)
  }
  return best
}

/** The shares within 3 steps of `share`, up to 1. */
function around(share: number, step: number): number[] {
  return [-3, -2, -1, 0, 1, 2, 3].map((i) => share + i * step).filter((value) => value > 0 && value <= 1)
}
