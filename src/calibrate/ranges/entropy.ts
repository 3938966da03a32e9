// Entropy: the threshold whose quantised histogram says most about the original (TensorRT's calibration, generalised).
import { portable, UsageError } from '../../base/index.ts'
import { codeRange } from '../../math/index.ts'
import { type Bins, binsOf, observedRange } from './bins.ts'
import { defineRange, type RangeSetting } from './range.ts'

const maxBins = 2048
/** Divergences this close are equal. */
const tie = 1e-12

/**
 * The range with the lowest KL divergence between the histogram clipped to it and the same merged into the grid's levels.
 * Exact zeros are left out. For grids of at most 8 bits: finer ones have as many levels as there are bins.
 * @throws UsageError for a 16-bit type
 */
export const entropy: RangeSetting = defineRange({
  name: 'entropy',
  needsHistogram: true,
  range: ({ min, max, histogram }, { dtype, symmetric }) => {
    const { low, high } = codeRange(dtype)
    const levels = high - low
    if (levels > 255) throw new UsageError(`range "entropy" is for 8 bits or less, not ${dtype}; use mse`)
    if (!histogram) return { low: min, high: max }
    const bins = binsOf(histogram)
    if (symmetric && low < 0) return { low: 0, high: Math.min(oneSided(folded(bins), -low), Math.max(-min, max)) }
    if (min >= 0 || max <= 0) {
      const end = oneSided(folded(bins), levels)
      return min >= 0 ? { low: 0, high: Math.min(end, max) } : { low: Math.max(-end, min), high: 0 }
    }
    const range = twoSided(bins, levels)
    return { low: Math.max(range.low, min), high: Math.min(range.high, max) }
  },
})

/** Counts of |x| in at most 2048 bins from 0 on. */
function folded({ first, width, counts }: Bins): { counts: Float64Array; width: number } {
  const end = Math.max(Math.abs(first), Math.abs(first + counts.length))
  let merged = 1
  while (end / merged > maxBins) merged *= 2
  const sums = new Float64Array(Math.ceil(end / merged))
  counts.forEach((count, j) => {
    const k = first + j
    sums[Math.floor((k < 0 ? -k - 1 : k) / merged)]! += count
  })
  return { counts: sums, width: width * merged }
}

/** Threshold for values from 0 on: from as many bins as an 8-bit grid has to all of them, in steps of 8. */
export function oneSided({ counts, width }: { counts: Float64Array; width: number }, levels: number, step = 8): number {
  const divergence = clippedDivergence(counts, levels)
  let best = counts.length
  let lowest = Number.POSITIVE_INFINITY
  for (let bins = levels + 1; bins < counts.length + step; bins += step) {
    const to = Math.min(bins, counts.length)
    const got = divergence(0, to)
    // Of equals the widest: a threshold that keeps one filled bin has no divergence either.
    if (got > lowest + tie) continue
    lowest = Math.min(lowest, got)
    best = to
  }
  return best * width
}

/** Drops the outer bin of the side that has lost less, again and again, and keeps the best; zero stays inside. */
function twoSided(bins: Bins, levels: number): { low: number; high: number } {
  const { first, width, counts } = bins
  const divergence = clippedDivergence(counts, levels)
  const zero = -first
  let [from, to] = [0, counts.length]
  let [lostLow, lostHigh] = [0, 0]
  let best = observedRange(bins)
  let lowest = divergence(from, to)
  while (to - from > levels + 1) {
    const nextLow = from < zero ? lostLow + counts[from]! : Number.POSITIVE_INFINITY
    const nextHigh = to > zero ? lostHigh + counts[to - 1]! : Number.POSITIVE_INFINITY
    // Of equals the end farther from zero.
    if (nextLow < nextHigh || (nextLow === nextHigh && zero - from > to - zero)) {
      from++
      lostLow = nextLow
    } else {
      to--
      lostHigh = nextHigh
    }
    const got = divergence(from, to)
    if (!(got < lowest - tie)) continue
    lowest = got
    best = { low: (first + from) * width, high: (first + to) * width }
  }
  return best
}

/** What an empty bin of Q counts as where P is not empty. */
const smoothing = 1e-4

/**
 * KL(P ‖ Q) of a histogram clipped to the bins [from, to). P holds the clipped counts in its edge bins. Q does not;
 * its bins are merged into `levels` and each level's count is spread evenly over the bins that are not empty.
 * One call takes as many logarithms as there are levels.
 */
function clippedDivergence(counts: Float64Array, levels: number): (from: number, to: number) => number {
  const n = counts.length
  const mass = new Float64Array(n + 1)
  const filled = new Float64Array(n + 1)
  const selfInformation = new Float64Array(n + 1)
  for (let j = 0; j < n; j++) {
    const count = counts[j]!
    mass[j + 1] = mass[j]! + count
    filled[j + 1] = filled[j]! + (count > 0 ? 1 : 0)
    selfInformation[j + 1] = selfInformation[j]! + xLogX(count)
  }
  return (from, to) => {
    const total = mass[n]!
    const kept = mass[to]! - mass[from]!
    if (kept === 0) return Number.POSITIVE_INFINITY
    // Σ P·ln P, with the edge bins as they are in P.
    const [firstCount, lastCount] = [counts[from]!, counts[to - 1]!]
    const [firstExtra, lastExtra] = [mass[from]!, total - mass[to]!]
    let sum = selfInformation[to]! - selfInformation[from]!
    sum += xLogX(firstCount + firstExtra) - xLogX(firstCount) + xLogX(lastCount + lastExtra) - xLogX(lastCount)
    // − Σ P·ln Q, level by level.
    const [firstLevel, lastLevel] = [0, levels - 1]
    let smoothed = 0
    let left = from
    for (let level = 0; level < levels; level++) {
      const right = from + Math.floor(((level + 1) * (to - from)) / levels)
      const count = mass[right]! - mass[left]!
      if (count > 0) {
        let reference = count
        if (level === firstLevel && firstCount > 0) reference += firstExtra
        if (level === lastLevel && lastCount > 0) reference += lastExtra
        sum -= reference * portable.log(count / (filled[right]! - filled[left]!))
      }
      left = right
    }
    for (const [count, extra] of [
      [firstCount, firstExtra],
      [lastCount, lastExtra],
    ] as const)
      if (count === 0 && extra > 0) {
        sum -= extra * portable.log(smoothing)
        smoothed += smoothing
      }
    return sum / total - portable.log(total) + portable.log(kept + smoothed)
  }
}

function xLogX(x: number): number {
  return x > 0 ? x * portable.log(x) : 0
}
