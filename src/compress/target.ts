// What a layer is fitted to: the moments of its inputs and of the outputs that it should give.
import type { Moments } from '../calibrate/index.ts'
import type { Matrix, Products } from '../math/index.ts'

/**
 * The quadratic problem min ‖y − W·x‖² + λ‖W − W0‖² of one group, by its moments: C' = cov(x, x) + λ·I [d, d] and
 * B' = cov(y, x) + λ·W0 [n, d]. With C = I and B = W0 every formula becomes the one without data.
 */
export interface FitTarget {
  /** W0, [n, d]. */
  readonly weight: Matrix
  /** C' */
  readonly covariance: Matrix
  /** B' */
  readonly cross: Matrix
  /** λ */
  readonly ridge: number
  /** tr cov(y, y), what errors are relative to. */
  readonly energy: number
}

/** The target without data: an error is a share of the weight's own squares. */
export function plainTarget(weight: Matrix): FitTarget {
  const d = weight.columns
  const covariance = { rows: d, columns: d, data: new Float64Array(d * d) }
  for (let i = 0; i < d; i++) covariance.data[i * (d + 1)] = 1
  return { weight, covariance, cross: weight, ridge: 0, energy: squares(weight) }
}

/** The ridge that many samples allow: pulls harder towards the original weights when samples hardly exceed unknowns. */
export function ridgeShare(samples: number, unknowns: number): number {
  if (samples >= 20 * unknowns) return 1e-3
  return samples >= 5 * unknowns ? 3e-3 : 1e-2
}

/** The target of moments with both sides; λ = share·tr(C)/d. */
export function targetOf(weight: Matrix, moments: Moments, share: number): FitTarget {
  const { covariance, crossCovariance: cross, targetVariances: variances } = moments
  return makeTarget(weight, { covariance, cross, variances }, share)
}

/** The target of moments of inputs alone: the layer's own float output, B = W0·C. */
export async function ownTarget(
  products: Products,
  weight: Matrix,
  moments: Moments,
  share: number,
): Promise<FitTarget> {
  const covariance = moments.covariance
  const cross = await products.multiply(weight, covariance)
  const variances = new Float64Array(weight.rows)
  for (let o = 0; o < weight.rows; o++)
    for (let i = 0; i < weight.columns; i++)
      variances[o]! += weight.data[o * weight.columns + i]! * cross.data[o * weight.columns + i]!
  return makeTarget(weight, { covariance, cross, variances }, share)
}

/** Of the inputs, of the outputs with the inputs, and of each output. */
interface SecondMoments {
  readonly covariance: Matrix
  readonly cross: Matrix
  readonly variances: Float64Array
}

/** Takes the matrices over. */
function makeTarget(weight: Matrix, { covariance, cross, variances }: SecondMoments, share: number): FitTarget {
  const d = covariance.rows
  let trace = 0
  for (let i = 0; i < d; i++) trace += covariance.data[i * (d + 1)]!
  // Inputs that never vary leave the weights as they are.
  const ridge = trace > 0 ? (share * trace) / d : 1
  for (let i = 0; i < d; i++) covariance.data[i * (d + 1)]! += ridge
  for (let i = 0; i < cross.data.length; i++) cross.data[i]! += ridge * weight.data[i]!
  const energy = variances.reduce((sum, variance) => sum + variance, 0)
  return { weight, covariance, cross, ridge, energy }
}

/**
 * Error of a kernel W [n, d] as a share of the target's variance: (Cy − 2·tr(W·Bᵀ) + tr(W·C·Wᵀ)) / Cy, at least 0.
 * No network is run. A target that never varies has no error.
 */
export async function relativeError(products: Products, target: FitTarget, kernel: Matrix): Promise<number> {
  return target.energy > 0 ? (await squaredError(products, target, kernel)) / target.energy : 0
}

/** The error before it is divided by the target's variance; sums over groups. */
export async function squaredError(products: Products, target: FitTarget, kernel: Matrix): Promise<number> {
  const { weight, covariance, cross, ridge, energy } = target
  const mapped = await products.multiply(kernel, covariance)
  const quadratic = inner(mapped, kernel) - ridge * squares(kernel)
  const linear = inner(kernel, cross) - ridge * inner(kernel, weight)
  return Math.max(0, energy - 2 * linear + quadratic)
}

/** Σ a·b over all elements. */
export function inner(a: Matrix, b: Matrix): number {
  let sum = 0
  for (let i = 0; i < a.data.length; i++) sum += a.data[i]! * b.data[i]!
  return sum
}

/** Sum of the squares of all elements of a matrix. */
export function squares(a: Matrix): number {
  return inner(a, a)
}
