// How far beyond what was seen a range must reach: few samples do not show the largest value that new ones bring.
import { portable } from '../../base/index.ts'

/** Steps of the grid that the trade is made for. */
const STEPS = 255
/** Share of the samples whose extremes the tail is read from. */
const UPPER = 1 / 2
/** What one new sample in this many times the samples seen exceeds is not foreseen: nothing was learnt of it. */
const FORESIGHT = 4
/** Largest margin, as a share of the range: where it turns out to be in vain, it costs 1 dB. */
const MOST = 1 / 8
/** Fewer samples say nothing of a tail. */
const FEWEST = 4

/**
 * What one end of a range needs beyond the largest of the samples' extremes. The tail of a sample's extreme is taken to be
 * exponential, with the mean excess of the upper half as its size σ. The end lies where the error of clipping new
 * samples, 2σ² each, falls as fast as the rounding error of all values of a sample grows: a small tensor, where one clipped
 * value outweighs all rounding, gets room; the larger a map, the less.
 * @param extremes the largest value of each sample, counted from 0 in the direction of the end
 * @param size values a sample
 * @param other how far the range reaches on the other side of 0
 */
export function marginOf(extremes: readonly number[], size: number, other: number): number {
  const count = extremes.length
  if (count < FEWEST) return 0
  const sorted = [...extremes].sort((a, b) => b - a)
  const top = sorted[0] ?? 0
  const upper = Math.round(count * UPPER)
  const base = sorted[upper] ?? 0
  const excess = sorted.slice(0, upper).reduce((sum, x) => sum + x - base, 0) / upper
  if (!(top > 0 && excess > 1e-6 * top)) return 0
  let end = top
  // The rounding error depends on the end itself: a few rounds settle it.
  for (let round = 0; round < 4; round++) {
    const balanced = (size * (end + other)) / (12 * STEPS * STEPS * excess)
    const exceeding = Math.max(balanced, 1 / (FORESIGHT * count))
    end = Math.max(top, base + excess * portable.log(upper / (count * exceeding)))
  }
  return Math.min(end - top, MOST * (top + other))
}
