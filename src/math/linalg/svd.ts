// Truncated singular value decomposition through the smaller Gram matrix.
import { symmetricEigen } from './eigen.ts'
import { type Matrix, transpose } from './matrix.ts'
import { type Products, plainProducts } from './products.ts'

/** a ≈ left · diag(singularValues) · rightᵀ */
export interface Svd {
  /** [rows, rank], orthonormal columns. */
  readonly left: Matrix
  /** Largest first. */
  readonly singularValues: Float64Array
  /** [columns, rank], orthonormal columns. */
  readonly right: Matrix
}

/**
 * The `rank` largest singular values and vectors. Squaring costs digits: values below 1e-7 of the largest are no longer
 * known; their vectors on the larger side are zero. The largest entry of each left vector is positive.
 */
export async function topSvd(a: Matrix, rank: number, products: Products = plainProducts): Promise<Svd> {
  const wide = a.rows < a.columns
  const tall = wide ? transpose(a) : a
  const k = Math.min(rank, tall.columns)
  const { values, vectors } = await symmetricEigen(await products.gram(tall), k, products)
  const singularValues = values.map((value) => Math.sqrt(Math.max(0, value)))
  const small = transpose(vectors)
  const large = await products.multiply(tall, small)
  const least = 1e-7 * (singularValues[0] ?? 0)
  const inverse = singularValues.map((value) => (value > least ? 1 / value : 0))
  for (let i = 0; i < large.data.length; i++) large.data[i]! *= inverse[i % k]!
  const [left, right] = wide ? [small, large] : [large, small]
  fixSigns(left, right)
  return { left, singularValues, right }
}

function fixSigns(left: Matrix, right: Matrix): void {
  for (let c = 0; c < left.columns; c++) {
    let largest = 0
    for (let i = c; i < left.data.length; i += left.columns)
      if (Math.abs(left.data[i]!) > Math.abs(largest)) largest = left.data[i]!
    if (largest >= 0) continue
    for (const side of [left, right])
      for (let i = c; i < side.data.length; i += side.columns) side.data[i] = -side.data[i]!
  }
}
