// Symmetric positive definite matrices of any size: the inverse of the Cholesky factor, split in halves so that nearly all of
// the work is large products.
import { InputError } from '../../base/index.ts'
import { subtract } from './blocks.ts'
import { cholesky } from './least-squares.ts'
import type { Matrix } from './matrix.ts'
import type { Products } from './products.ts'

/** Up to this size the factor is computed here: its products are too short for another engine. */
const WHOLE = 128

/**
 * L⁻¹ with L·Lᵀ = A + ridge·I, lower triangular, for a symmetric A [n, n]; (A + ridge·I)⁻¹ = L⁻ᵀ·L⁻¹.
 * @returns undefined when a pivot is not positive
 */
export async function inverseLower(products: Products, a: Matrix, ridge = 0): Promise<Matrix | undefined> {
  const n = a.rows
  if (n <= WHOLE) {
    const factor = cholesky(a, ridge)
    return factor && invertLower(factor)
  }
  // A = [A1 Bᵀ; B A2]: L = [L1 0; B·L1⁻ᵀ L2], L2·L2ᵀ = A2 − B·A1⁻¹·Bᵀ, and below the diagonal of L⁻¹: −L2⁻¹·(B·L1⁻ᵀ)·L1⁻¹.
  const half = Math.ceil(n / 2)
  const first = await inverseLower(products, block(a, 0, half, 0, half), ridge)
  if (!first) return undefined
  const below = await products.multiply(block(a, half, n, 0, half), first, { b: true, spent: 'a' })
  const explained = await products.multiply(below, below, { b: true })
  const rest = block(a, half, n, half, n)
  for (let i = 0; i < rest.data.length; i++) rest.data[i]! -= explained.data[i]!
  const second = await inverseLower(products, rest, ridge)
  if (!second) return undefined
  const corner = await products.multiply(second, await products.multiply(below, first, { spent: 'a' }), { spent: 'b' })
  const data = new Float64Array(n * n)
  for (let i = 0; i < half; i++) data.set(first.data.subarray(i * half, (i + 1) * half), i * n)
  for (let i = half; i < n; i++) {
    for (let j = 0; j < half; j++) data[i * n + j] = -corner.data[(i - half) * half + j]!
    data.set(second.data.subarray((i - half) * (n - half), (i - half + 1) * (n - half)), i * n + half)
  }
  return { rows: n, columns: n, data }
}

/**
 * The same for a ridge that may be too small: when a pivot is not positive it is multiplied by 100, at most four times.
 * @throws InputError when A stays singular
 */
export async function inverseLowerWithRidge(products: Products, a: Matrix, ridge: number): Promise<Matrix> {
  const n = a.rows
  let trace = 0
  for (let i = 0; i < n; i++) trace += a.data[i * n + i]!
  let own = ridge
  for (let attempt = 0; attempt <= 4; attempt++) {
    const inverse = await inverseLower(products, a, own)
    if (inverse) return inverse
    own = Math.max(own, (1e-9 * trace) / Math.max(1, n)) * 100
  }
  throw new InputError(
    `a ${n}×${n} system of covariances is singular even with a ridge of ${own / 100}: are there NaN or only zeros in it?`,
  )
}

function block({ columns, data }: Matrix, fromRow: number, toRow: number, from: number, to: number): Matrix {
  const part = new Float64Array((toRow - fromRow) * (to - from))
  for (let i = fromRow; i < toRow; i++)
    part.set(data.subarray(i * columns + from, i * columns + to), (i - fromRow) * (to - from))
  return { rows: toRow - fromRow, columns: to - from, data: part }
}

/** Row i of L·X = 1: X[i] = (e_i − Σ_k L[i, k]·X[k]) / L[i, i]. */
function invertLower({ rows: n, data: l }: Matrix): Matrix {
  const x = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) subtract(x, i * n, x, k * n, k + 1, l[i * n + k]!)
    const pivot = 1 / l[i * n + i]!
    for (let j = 0; j < i; j++) x[i * n + j]! *= pivot
    x[i * n + i] = pivot
  }
  return { rows: n, columns: n, data: x }
}
