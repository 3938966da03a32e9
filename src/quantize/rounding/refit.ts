// Weights refitted before rounding: they make up for what the quantised stream lost before the layer, as far as samples tell.
import { type Matrix, type Products, solveNormalEquations, transpose } from '../../math/index.ts'

/** Centred moments of a layer's inputs x and its float pre-activations y. */
export interface RefitMoments {
  /** cov(x, x), [columns, columns]. */
  readonly covariance: Matrix
  /** cov(y, x), [rows, columns]. */
  readonly crossCovariance: Matrix
}

/** Ridges that are tried, as shares of the mean diagonal, from the most careful one on. */
const RIDGES = [10, 1, 0.1, 0.01]
/** The ridge when there are too few samples to choose one. */
export const CAREFUL = 1
/** Added to every ridge: dead channels make the covariance singular. */
const FLOOR = 1e-7

/**
 * W + R·(C + ridge)⁻¹, R = cov(y − W·x, x): the least-squares change of W [rows, columns] so that the layer, fed with the
 * quantised stream's x, gives the float pre-activation y. The bias takes up the means.
 */
export async function refitWeights(
  products: Products,
  weights: Matrix,
  { covariance, crossCovariance }: RefitMoments,
  ridge: number = CAREFUL,
): Promise<Matrix> {
  const { rows, columns } = weights
  const explained = await products.multiply(weights, covariance)
  const residual = { rows, columns, data: crossCovariance.data.map((b, i) => b - explained.data[i]!) }
  let trace = 0
  for (let i = 0; i < columns; i++) trace += covariance.data[i * columns + i]!
  const { solution } = solveNormalEquations(covariance, transpose(residual), {
    ridge: (ridge * trace) / columns + FLOOR,
  })
  const change = transpose(solution)
  return { rows, columns, data: weights.data.map((w, i) => w + change.data[i]!) }
}

/** Weights of one group of a layer with what two parts of the samples say about it. */
export interface RefitCase {
  readonly weights: Matrix
  readonly fit: RefitMoments
  readonly check: RefitMoments
}

/**
 * The ridge whose refits on one part of the samples have the least error on the other, over all groups of a layer; undefined
 * when none beats the weights as they are. Without the choice a layer that sees one position a sample, as a classifier
 * does, would fit the noise of its few samples.
 */
export async function chooseRidge(products: Products, cases: readonly RefitCase[]): Promise<number | undefined> {
  const total = async (weightsOf: (each: RefitCase) => Promise<Matrix>) => {
    let sum = 0
    for (const each of cases) sum += await errorOn(products, await weightsOf(each), each.check)
    return sum
  }
  let best: { readonly ridge?: number; readonly error: number } = { error: await total(async ({ weights }) => weights) }
  for (const ridge of RIDGES) {
    const error = await total(({ weights, fit }) => refitWeights(products, weights, fit, ridge))
    if (!(error < best.error)) break
    best = { ridge, error }
  }
  return best.ridge
}

/** tr(W·C·Wᵀ) − 2·tr(W·Bᵀ): the mean square of y − W·x, less what does not depend on W. */
async function errorOn(products: Products, weights: Matrix, check: RefitMoments): Promise<number> {
  const mapped = await products.multiply(weights, check.covariance)
  let sum = 0
  for (let i = 0; i < weights.data.length; i++)
    sum += weights.data[i]! * (mapped.data[i]! - 2 * check.crossCovariance.data[i]!)
  return sum
}
