// Eigenvectors of a tridiagonal matrix → those of the matrix it came from: reflections a block at a time, as big products.
import { dot } from './blocks.ts'
import { type Matrix, matrix } from './matrix.ts'
import type { Products } from './products.ts'
import type { Tridiagonal } from './tridiagonal.ts'

/** Reflections that are applied together. */
const BLOCK = 64

/**
 * Turns eigenvectors of T, one a row, into those of A, in place. A block of reflections is I − Vᵀ·F·V with an upper
 * triangular F (the compact WY form: Schreiber and Van Loan 1989).
 */
export async function backTransform(t: Tridiagonal, vectors: Matrix, products: Products): Promise<void> {
  const { n } = t
  const last = n - 2
  for (let start = Math.floor(Math.max(0, last - 1) / BLOCK) * BLOCK; start >= 0 && last > 0; start -= BLOCK) {
    const end = Math.min(start + BLOCK, last)
    // Left of this column the reflections are 0.
    const from = start + 1
    const v = rowsFrom(t, start, end)
    const x = columnsFrom(vectors, from)
    const weights = await products.multiply(x, v, { b: true })
    const factor = wyFactor(v, t.tau.subarray(start, end))
    const change = await products.multiply(await products.multiply(weights, factor, { b: true }), v)
    for (let row = 0; row < vectors.rows; row++)
      for (let j = 0; j < n - from; j++) vectors.data[row * n + from + j]! -= change.data[row * (n - from) + j]!
  }
}

/** Vectors of the reflections `start` to `end`, one a row, from column start + 1 on. */
function rowsFrom({ n, reflections, tau }: Tridiagonal, start: number, end: number): Matrix {
  const width = n - start - 1
  const v = matrix(end - start, width)
  for (let k = start; k < end; k++)
    if (tau[k] !== 0) v.data.set(reflections.subarray(k * n + k + 1, (k + 1) * n), (k - start) * width + (k - start))
  return v
}

function columnsFrom({ rows, columns, data }: Matrix, from: number): Matrix {
  const part = matrix(rows, columns - from)
  for (let row = 0; row < rows; row++)
    part.data.set(data.subarray(row * columns + from, (row + 1) * columns), row * part.columns)
  return part
}

/** F of (I − tau_0·v_0·v_0ᵀ)·(I − tau_1·v_1·v_1ᵀ)·… = I − Vᵀ·F·V. */
function wyFactor({ rows, columns, data }: Matrix, tau: Float64Array): Matrix {
  const factor = matrix(rows, rows)
  const inner = new Float64Array(rows)
  for (let j = 0; j < rows; j++) {
    const own = tau[j]!
    for (let i = 0; i < j; i++) inner[i] = dot(data, i * columns, data, j * columns, columns)
    for (let i = 0; i < j; i++) {
      let sum = 0
      for (let l = i; l < j; l++) sum += factor.data[i * rows + l]! * inner[l]!
      factor.data[i * rows + j] = -own * sum
    }
    factor.data[j * rows + j] = own
  }
  return factor
}
