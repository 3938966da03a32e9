// Weights refitted before rounding: they make up for what the quantised stream lost before the layer. For few bits only.
import { type Matrix, type Products, solveNormalEquations, transpose } from '../../math/index.ts'

/** Ridge as a share of the mean diagonal, and absolute: dead channels make H singular. */
const RIDGE = 0.01
const FLOOR = 1e-7

/**
 * W + R·(H + ridge)⁻¹, R = cov(y − W·x, x): the least-squares change of W [rows, columns] so that the layer, fed with the
 * quantised stream's x, gives the float pre-activation y. The bias takes up the means.
 * @param cross cov(y, x), [rows, columns]
 */
export async function refitWeights(
  products: Products,
  weights: Matrix,
  hessian: Matrix,
  cross: Matrix,
): Promise<Matrix> {
  const { rows, columns } = weights
  const explained = await products.multiply(weights, hessian)
  const residual = { rows, columns, data: cross.data.map((b, i) => b - explained.data[i]!) }
  let trace = 0
  for (let i = 0; i < columns; i++) trace += hessian.data[i * columns + i]!
  const { solution } = solveNormalEquations(hessian, transpose(residual), {
    ridge: (RIDGE * trace) / columns + FLOOR,
  })
  const change = transpose(solution)
  return { rows, columns, data: weights.data.map((w, i) => w + change.data[i]!) }
}
