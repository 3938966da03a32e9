// 95 % intervals: of a share, and of the difference between two models scored on the same samples.

const z = 1.959963984540054

export interface Interval {
  readonly low: number
  readonly high: number
}

/** Wilson's interval of `hits` out of `samples`. */
export function wilsonInterval(hits: number, samples: number): Interval {
  if (samples === 0) return { low: 0, high: 1 }
  const share = hits / samples
  const scale = 1 + (z * z) / samples
  const centre = (share + (z * z) / (2 * samples)) / scale
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / samples + (z * z) / (4 * samples * samples))
  return { low: Math.max(0, centre - half), high: Math.min(1, centre + half) }
}

/** Interval of a mean, normal approximation: mean ± 1.96 standard errors; everything for fewer than two values. */
export function meanInterval(values: readonly number[]): Interval {
  const count = values.length
  if (count < 2) return { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }
  const mean = values.reduce((sum, value) => sum + value, 0) / count
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  const half = z * Math.sqrt(squares / (count - 1) / count)
  return { low: mean - half, high: mean + half }
}

/** After − before as a share of the samples, from the samples on which only one of the two models is right. */
export function pairedDifference(
  onlyBefore: number,
  onlyAfter: number,
  samples: number,
): { difference: number; standardError: number; interval: Interval } {
  if (samples === 0) return { difference: 0, standardError: 0, interval: { low: -1, high: 1 } }
  const difference = (onlyAfter - onlyBefore) / samples
  const variance = (onlyAfter + onlyBefore) / samples - difference * difference
  const standardError = Math.sqrt(Math.max(0, variance) / samples)
  return {
    difference,
    standardError,
    interval: { low: difference - z * standardError, high: difference + z * standardError },
  }
}

/**
 * Mid-p McNemar test: how likely two equally good models are to differ at least this much on the samples on which only
 * one of them is right. 1 when there is no such sample.
 */
export function mcNemarP(onlyBefore: number, onlyAfter: number): number {
  const samples = onlyBefore + onlyAfter
  const fewer = Math.min(onlyBefore, onlyAfter)
  // Binomial(samples, 1/2) from its logarithm, so that thousands of samples do not underflow.
  let logChoose = -samples * Math.LN2
  let tail = 0
  for (let k = 0; k < fewer; k++) {
    tail += Math.exp(logChoose)
    logChoose += Math.log((samples - k) / (k + 1))
  }
  return Math.min(1, 2 * tail + Math.exp(logChoose))
}
