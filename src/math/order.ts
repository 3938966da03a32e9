// Order statistics: median, quantiles, arg-max.

/** Quantile p (0..1) by linear interpolation at (n − 1)·p; NaN for an empty list. */
export function quantile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * p
  const low = sorted[Math.floor(at)] ?? Number.NaN
  const high = sorted[Math.ceil(at)] ?? Number.NaN
  return low + (high - low) * (at - Math.floor(at))
}

/** The middle value; the mean of the two middle ones when the count is even; NaN for an empty list. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** Interquartile range: how far apart the first and the third quartile are. */
export function interquartileRange(values: readonly number[]): number {
  return quantile(values, 0.75) - quantile(values, 0.25)
}

/** Index of the highest of `length` values from `from` on; the first one if several are equal. NaN never wins. */
export function argMax(values: ArrayLike<number>, from = 0, length: number = values.length): number {
  let best = 0
  let highest = Number.NEGATIVE_INFINITY
  for (let i = 0; i < length; i++) {
    const value = values[from + i] ?? Number.NaN
    if (value > highest) {
      highest = value
      best = i
    }
  }
  return best
}
