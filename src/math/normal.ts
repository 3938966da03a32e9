// The normal distribution, and what a clip makes of a Gaussian: E[clip(X)] and E[clip(X)²].
import { portable } from '../base/index.ts'

/** Density of the standard normal. */
export function normalDensity(x: number): number {
  return portable.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI)
}

/** Distribution function of the standard normal; relative error below 1e-12 down to Φ(−37). */
export function normalCdf(x: number): number {
  if (x > 0) return 1 - normalCdf(-x)
  if (x < -38.5) return 0
  return x > -3 ? 0.5 + x * normalDensity(x) * series(x) : normalDensity(x) * fraction(-x)
}

/** Σ x^2k / (1·3·5…(2k+1)): all terms positive, so nothing cancels. */
function series(x: number): number {
  let term = 1
  let sum = 1
  for (let k = 3; term > sum * 1e-17; k += 2) {
    term *= (x * x) / k
    sum += term
  }
  return sum
}

/** The tail's continued fraction 1/(x + 1/(x + 2/(x + 3/(x + …)))). */
function fraction(x: number): number {
  let tail = x
  for (let k = 100; k > 0; k--) tail = x + k / tail
  return 1 / tail
}

/** Mean and second moment of clip(X, low, high) with X normal; infinite bounds allowed, the deviation may be 0. */
export function clippedGaussian(
  mean: number,
  deviation: number,
  low: number = Number.NEGATIVE_INFINITY,
  high: number = Number.POSITIVE_INFINITY,
): { mean: number; secondMoment: number } {
  const d = Math.abs(deviation)
  if (d < 1e-12 * Math.max(1, Math.abs(mean))) {
    const value = Math.min(Math.max(mean, low), high)
    return { mean: value, secondMoment: value * value }
  }
  const a = (low - mean) / d
  const b = (high - mean) / d
  const [below, above] = [normalCdf(a), normalCdf(-b)]
  // On the side where Φ is near 1, 1 − (what is outside) keeps its digits.
  const inside = a > 0 ? normalCdf(-a) - above : normalCdf(b) - below
  const [fa, fb] = [normalDensity(a), normalDensity(b)]
  const times = (bound: number, weight: number) => (Number.isFinite(bound) ? bound * weight : 0)
  return {
    mean: mean * inside + d * (fa - fb) + times(low, below) + times(high, above),
    secondMoment:
      (mean * mean + d * d) * inside +
      2 * mean * d * (fa - fb) +
      d * d * (times(a, fa) - times(b, fb)) +
      times(low * low, below) +
      times(high * high, above),
  }
}
