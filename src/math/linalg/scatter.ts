// Sums over samples: means, and sums of products about the means. What covariances are made of.
import { type AnyMatrix, gram, multiply } from './matrix.ts'

/** Of rows of x [P, d] and of y [P, n]; without y its parts are empty. */
export interface Scatter {
  readonly meanX: Float64Array
  readonly meanY: Float64Array
  /** Σ (x − mean)(x − mean)ᵀ, [d, d]. */
  readonly xx: Float64Array
  /** Σ (y − mean)(x − mean)ᵀ, [n, d]. */
  readonly yx: Float64Array
  /** Σ (y − mean)² of each column, [n]. */
  readonly yy: Float64Array
}

/** Computes them in TypeScript. */
export function scatter(x: AnyMatrix, y?: AnyMatrix): Scatter {
  const meanX = columnMeans(x)
  const meanY = y ? columnMeans(y) : new Float64Array(0)
  const xx = gram(x).data
  const yx = y ? multiply(y, x, { a: true }).data : new Float64Array(0)
  const yy = y ? columnSquares(y) : new Float64Array(0)
  // Float32 samples in float64 sums: taking the means off afterwards costs no digits that the samples had.
  addOuter(xx, meanX, meanX, -x.rows)
  addOuter(yx, meanY, meanX, -x.rows)
  for (const [o, mean] of meanY.entries()) yy[o]! -= x.rows * mean * mean
  return { meanX, meanY, xx, yx, yy }
}

/** Mean of each column of a matrix [rows, columns], summed in float64. */
export function columnMeans({ rows, columns, data }: AnyMatrix): Float64Array {
  const means = new Float64Array(columns)
  for (let row = 0, i = 0; row < rows; row++) for (let c = 0; c < columns; c++, i++) means[c]! += data[i]!
  for (let c = 0; c < columns; c++) means[c]! /= rows
  return means
}

function columnSquares({ rows, columns, data }: AnyMatrix): Float64Array {
  const sums = new Float64Array(columns)
  for (let row = 0, i = 0; row < rows; row++) for (let c = 0; c < columns; c++, i++) sums[c]! += data[i]! ** 2
  return sums
}

/** sums[i, j] += weight·a[i]·b[j] */
export function addOuter(sums: Float64Array, a: Float64Array, b: Float64Array, weight: number): void {
  for (let i = 0, at = 0; i < a.length; i++) {
    const factor = weight * a[i]!
    for (let j = 0; j < b.length; j++, at++) sums[at]! += factor * b[j]!
  }
}
