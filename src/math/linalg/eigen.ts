// The largest eigenvalues of a symmetric matrix and their vectors.
import { InputError } from '../../base/index.ts'
import { backTransform } from './back-transform.ts'
import { dot, fourDots } from './blocks.ts'
import { implicitQl } from './implicit-ql.ts'
import { inverseIteration } from './inverse-iteration.ts'
import type { Matrix } from './matrix.ts'
import { type Products, plainProducts } from './products.ts'
import { type Tridiagonal, tridiagonalize } from './tridiagonal.ts'

export interface Eigen {
  /** Largest first. */
  readonly values: Float64Array
  /** One unit vector a row, orthogonal to each other. */
  readonly vectors: Matrix
}

/**
 * The `count` largest eigenvalues of a symmetric matrix, of which only the upper triangle is read: Householder
 * tridiagonalisation, eigenvalues by implicit QL, vectors by inverse iteration. Vectors are checked, and computed again
 * by QL when a residual or an inner product is above 1e-10.
 * @throws InputError when the matrix is not square or not finite
 */
export async function symmetricEigen(
  a: Matrix,
  count: number = a.rows,
  products: Products = plainProducts,
): Promise<Eigen> {
  const n = a.rows
  if (a.columns !== n) throw new InputError(`eigenvalues need a square matrix, got ${n}×${a.columns}`)
  const k = Math.min(count, n)
  const largest = largestEntry(a)
  if (largest === 0) return { values: new Float64Array(k), vectors: identity(k, n) }
  // Scaled to 1, squares neither overflow nor vanish.
  const scaled = new Float64Array(n * n)
  for (let i = 0; i < scaled.length; i++) scaled[i] = a.data[i]! / largest
  const t = tridiagonalize(scaled, n)
  const all = implicitQl(t).sort().reverse()
  const values = all.subarray(0, k)
  const vectors = inverseIteration(t, values)
  if (!holds(t, values, vectors)) return byQl(t, k, largest, products)
  const back: Matrix = { rows: k, columns: n, data: vectors }
  await backTransform(t, back, products)
  return { values: values.map((value) => value * largest), vectors: back }
}

/** @throws InputError for NaN and infinities */
function largestEntry({ rows, columns, data }: Matrix): number {
  let largest = 0
  for (let i = 0; i < data.length; i++) {
    const size = Math.abs(data[i]!)
    // Written so that NaN counts.
    if (!(size <= largest)) largest = size
    if (!(size < Number.POSITIVE_INFINITY))
      throw new InputError(`a ${rows}×${columns} matrix holds ${data[i]}: its eigenvalues do not exist`)
  }
  return largest
}

function identity(rows: number, columns: number): Matrix {
  const data = new Float64Array(rows * columns)
  for (let i = 0; i < rows; i++) data[i * columns + i] = 1
  return { rows, columns, data }
}

/** Are these unit eigenvectors of T, orthogonal to each other? */
function holds(t: Tridiagonal, values: Float64Array, vectors: Float64Array): boolean {
  const { n, diagonal, beside, norm } = t
  const dots = new Float64Array(4)
  for (let k = 0; k < values.length; k++) {
    const z = vectors.subarray(k * n, (k + 1) * n)
    let residual = 0
    for (let i = 0; i < n; i++) {
      const left = i > 0 ? beside[i - 1]! * z[i - 1]! : 0
      const right = i < n - 1 ? beside[i]! * z[i + 1]! : 0
      residual += (left + (diagonal[i]! - values[k]!) * z[i]! + right) ** 2
    }
    // Written so that NaN fails.
    if (!(Math.sqrt(residual) <= 1e-10 * norm)) return false
    let other = 0
    for (; other + 3 < k; other += 4) {
      fourDots(z, 0, vectors, other * n, n, n, dots)
      for (const product of dots) if (!(Math.abs(product) <= 1e-10)) return false
    }
    for (; other < k; other++) if (!(Math.abs(dot(z, 0, vectors, other * n, n)) <= 1e-10)) return false
  }
  return true
}

/** The slow and sure way: QL with all vectors. */
async function byQl(t: Tridiagonal, count: number, scale: number, products: Products): Promise<Eigen> {
  const { n } = t
  const all = identity(n, n).data
  const values = implicitQl(t, all)
  const order = Array.from(values.keys()).sort((i, j) => values[j]! - values[i]!)
  const data = new Float64Array(count * n)
  for (let k = 0; k < count; k++) data.set(all.subarray(order[k]! * n, (order[k]! + 1) * n), k * n)
  const vectors: Matrix = { rows: count, columns: n, data }
  await backTransform(t, vectors, products)
  return { values: Float64Array.from({ length: count }, (_, k) => values[order[k]!]! * scale), vectors }
}
