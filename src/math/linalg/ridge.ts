// Ridge regression around weights that are there already: the one routine behind refits of all kinds.
import type { Matrix } from './matrix.ts'
import type { Products } from './products.ts'
import { inverseLowerWithRidge } from './spd.ts'

/** Moments of what a layer reads, x, and of what it should give, y. */
export interface RegressionMoments {
  /** cov(x, x), [columns, columns]. */
  readonly covariance: Matrix
  /** cov(y, x), [rows, columns]. */
  readonly crossCovariance: Matrix
}

export interface RidgeOptions {
  /** λ; made larger where the covariance is singular even with it. */
  readonly ridge: number
  /** `residualCovariance` of the same weights and moments, where it is known already: it is the same for every ridge. */
  readonly residual?: Matrix | undefined
}

/**
 * W0 + R·(C + λ)⁻¹, R = cov(y − W0·x, x): the weights [rows, columns] of least E‖y − W·x‖² + λ‖W − W0‖².
 * @throws InputError when the covariance stays singular: there is NaN in it
 */
export async function ridgeRegression(
  products: Products,
  weights: Matrix,
  moments: RegressionMoments,
  { ridge, residual }: RidgeOptions,
): Promise<Matrix> {
  const { rows, columns, data } = weights
  const inverse = await inverseLowerWithRidge(products, moments.covariance, ridge)
  const right = residual ?? (await residualCovariance(products, weights, moments))
  const half = await products.multiply(right, inverse, { b: true })
  const change = await products.multiply(half, inverse, { spent: 'both' })
  for (let i = 0; i < data.length; i++) change.data[i]! += data[i]!
  return { rows, columns, data: change.data }
}

/** cov(y − W·x, x), [rows, columns]: what weights leave unexplained. */
export async function residualCovariance(
  products: Products,
  weights: Matrix,
  { covariance, crossCovariance }: RegressionMoments,
): Promise<Matrix> {
  const explained = await products.multiply(weights, covariance)
  for (let i = 0; i < explained.data.length; i++) explained.data[i] = crossCovariance.data[i]! - explained.data[i]!
  return explained
}
