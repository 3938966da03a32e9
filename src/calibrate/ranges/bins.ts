// A histogram as range settings read it: counts between edges, from the first to the last bin that is not empty.
import type { Histogram } from '../../math/index.ts'

/** Bin j holds `counts[j]` values between (first + j)·width and (first + j + 1)·width. */
export interface Bins {
  readonly first: number
  readonly width: number
  readonly counts: Float64Array
  /** Exact zeros, which are in no bin. */
  readonly zeros: number
}

/** The bins of a histogram, without the empty ones at both ends. */
export function binsOf(histogram: Histogram): Bins {
  const { bins, first, width, zeros } = histogram
  let from = 0
  let to = bins.length
  while (from < to && bins[from] === 0) from++
  while (to > from && bins[to - 1] === 0) to--
  return { first: first + from, width, counts: bins.slice(from, to), zeros }
}

/** Edges of the outermost bins, widened to hold 0. */
export function observedRange({ first, width, counts }: Bins): { low: number; high: number } {
  if (counts.length === 0) return { low: 0, high: 0 }
  return { low: Math.min(0, first * width), high: Math.max(0, (first + counts.length) * width) }
}
