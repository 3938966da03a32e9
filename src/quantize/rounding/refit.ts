// Weights refitted before rounding: they make up for what the quantised stream lost before the layer, as far as samples tell.
import {
  type Matrix,
  type Products,
  type RegressionMoments,
  residualCovariance,
  ridgeRegression,
} from '../../math/index.ts'

/** Ridges that are tried, as shares of the mean diagonal, from the most careful one on. */
const RIDGES = [10, 1, 0.1, 0.01]
/** The ridge when there are too few samples to choose one. */
export const CAREFUL = 1
/** Added to every ridge: dead channels make the covariance singular. */
const FLOOR = 1e-7

export interface RefitOptions {
  /** As a share of the mean diagonal of the covariance. */
  readonly ridge?: number
  /** `residualCovariance` of the weights, where it is known already. */
  readonly residual?: Matrix | undefined
}

/**
 * The weights [rows, columns] with which the layer, fed with the quantised stream's x, best gives the float pre-activation y. The
 * bias takes up the means.
 */
export async function refitWeights(
  products: Products,
  weights: Matrix,
  moments: RegressionMoments,
  { ridge = CAREFUL, residual }: RefitOptions = {},
): Promise<Matrix> {
  const { covariance } = moments
  const { columns } = weights
  let trace = 0
  for (let i = 0; i < columns; i++) trace += covariance.data[i * columns + i]!
  return ridgeRegression(products, weights, moments, { ridge: (ridge * trace) / columns + FLOOR, residual })
}

/** Weights of one group of a layer with what two parts of the samples say about it. */
export interface RefitCase {
  readonly weights: Matrix
  readonly fit: RegressionMoments
  readonly check: RegressionMoments
}

/** A ridge with the weights of each case that were refitted with it. */
export interface ChosenRidge {
  readonly ridge: number
  readonly weights: readonly Matrix[]
}

/**
 * The ridge whose refits on one part of the samples have the least error on the other, over all groups of a layer; undefined
 * when none beats the weights as they are. Without the choice a layer that sees one position a sample, as a classifier
 * does, would fit the noise of its few samples.
 */
export async function chooseRidge(products: Products, cases: readonly RefitCase[]): Promise<ChosenRidge | undefined> {
  const residuals = new Map<RefitCase, Matrix>()
  let error = 0
  for (const each of cases) {
    residuals.set(each, await residualCovariance(products, each.weights, each.fit))
    error += await errorOn(products, each.weights, each.check)
  }
  let least = error
  let best: ChosenRidge | undefined
  for (const ridge of RIDGES) {
    const refitted: Matrix[] = []
    error = 0
    for (const each of cases) {
      const weights = await refitWeights(products, each.weights, each.fit, { ridge, residual: residuals.get(each) })
      error += await errorOn(products, weights, each.check)
      refitted.push(weights)
    }
    if (!(error < least)) break
    least = error
    best = { ridge, weights: refitted }
  }
  return best
}

/** tr(W·C·Wᵀ) − 2·tr(W·Bᵀ): the mean square of y − W·x, less what does not depend on W. */
export async function errorOn(products: Products, weights: Matrix, check: RegressionMoments): Promise<number> {
  const mapped = await products.multiply(weights, check.covariance)
  let sum = 0
  for (let i = 0; i < weights.data.length; i++)
    sum += weights.data[i]! * (mapped.data[i]! - 2 * check.crossCovariance.data[i]!)
  return sum
}
