// What rounding costs at the layer's output: eᵀHe of each row, e = W − s·q, H the covariance of the inputs.
import type { Matrix, Products } from '../../math/index.ts'
import { blocksOf, type RoundingGrids, type RoundingProblem } from './problem.ts'

/** Codes for some weights, less their zero points, with the grids that they are on. */
export interface Rounded {
  readonly codes: Float64Array
  readonly grids: Pick<RoundingGrids, 'scales' | 'block'>
}

/** Numbers that go to the engine at once. */
const TOGETHER = 8e6

/** eᵀHe of each row for several roundings of the same weights [rows, columns]; made one after the other by `at`. */
export async function outputErrors(
  products: Products,
  { weights, hessian }: Pick<RoundingProblem, 'weights' | 'hessian'>,
  count: number,
  at: (index: number) => Rounded,
): Promise<Float64Array[]> {
  const { rows, columns, data } = weights
  const errors: Float64Array[] = []
  const together = Math.max(1, Math.floor(TOGETHER / data.length))
  // The covariance of a wide layer is large: it travels once for many roundings.
  const h = { ...hessian, data: new Float32Array(hessian.data) }
  for (let from = 0; from < count; from += together) {
    const few = Math.min(together, count - from)
    const off = new Float32Array(few * data.length)
    for (let k = 0; k < few; k++) writeErrors(weights, at(from + k), off.subarray(k * data.length))
    const found = await products.quadratic({ rows: few * rows, columns, data: off }, h)
    for (let k = 0; k < few; k++) errors.push(found.slice(k * rows, (k + 1) * rows))
  }
  return errors
}

/** e·H, [rows, columns]: half the slope of the error of each weight. */
export function errorSlopes(products: Products, weights: Matrix, rounded: Rounded, hessian: Matrix): Promise<Matrix> {
  const { rows, columns } = weights
  const data = new Float64Array(rows * columns)
  writeErrors(weights, rounded, data)
  return products.multiply({ rows, columns, data }, hessian, { spent: 'a' })
}

/** e = w − s·c. */
function writeErrors(
  { rows, columns, data }: Matrix,
  { codes, grids }: Rounded,
  to: Float32Array | Float64Array,
): void {
  const { block, blocks } = blocksOf(grids, columns)
  for (let row = 0, i = 0; row < rows; row++)
    for (let b = 0; b < blocks; b++) {
      const scale = grids.scales[row * blocks + b]!
      for (const end = row * columns + Math.min(columns, (b + 1) * block); i < end; i++)
        to[i] = data[i]! - scale * codes[i]!
    }
}
