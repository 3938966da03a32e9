// How the ranges of a layer's output channels compare: five numbers, outliers, dead channels.
import type { ChannelRows, RangeSummary } from './report.ts'

/** Channels that are named one by one; more are only counted. */
const mostNamed = 64

/**
 * Sums up channel ranges (max − min) of a weight. Channels below a millionth of the median are dead and left out of the
 * quartiles; an outlier is above Q3 + 1.5 · (Q3 − Q1). Quantiles are interpolated at (n − 1) · p.
 */
export function summarizeRanges(min: ArrayLike<number>, max: ArrayLike<number>): RangeSummary {
  const ranges = Array.from({ length: min.length }, (_, channel) => (max[channel] ?? 0) - (min[channel] ?? 0))
  const all = ranges.toSorted((a, b) => a - b)
  const least = 1e-6 * quantile(all, 0.5)
  const isDead = (range: number): boolean => !(range > 0) || range < least
  const alive = all.filter((range) => !isDead(range))
  const [q1, q2, q3] = [quantile(alive, 0.25), quantile(alive, 0.5), quantile(alive, 0.75)]
  const limit = q3 + 1.5 * (q3 - q1)
  const channels = ranges.map((range, channel) => ({ range, channel }))
  const outliers = channels.filter(({ range }) => range > limit && !isDead(range)).sort((a, b) => b.range - a.range)
  const dead = channels.filter(({ range }) => isDead(range))
  return {
    channels: ranges.length,
    fiveNumbers: [alive[0] ?? 0, q1, q2, q3, alive.at(-1) ?? 0],
    outliers: outliers.slice(0, mostNamed).map(({ channel }) => channel),
    outlierCount: outliers.length,
    dead: dead.slice(0, mostNamed).map(({ channel }) => channel),
    deadCount: dead.length,
  }
}

/** Widest channel ÷ median channel; 1 when all are alike or dead. */
export function spreadOf({ fiveNumbers: [, , median, , most] }: RangeSummary): number {
  return median > 0 ? most / median : 1
}

/** Range above which a channel stands out. */
export function outlierLimit({ fiveNumbers: [, q1, , q3] }: RangeSummary): number {
  return q3 + 1.5 * (q3 - q1)
}

/** The summary of rows that hold one channel each; undefined for buckets, whose ranges are not those of one channel. */
export function summaryOfRows(rows: ChannelRows): RangeSummary | undefined {
  return rows.bucketed > 1 ? undefined : summarizeRanges(rows.min, rows.max)
}

function quantile(sorted: readonly number[], share: number): number {
  const place = (sorted.length - 1) * share
  const low = sorted[Math.floor(place)] ?? 0
  return low + ((sorted[Math.ceil(place)] ?? low) - low) * (place - Math.floor(place))
}
