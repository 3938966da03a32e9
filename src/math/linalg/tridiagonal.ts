// Symmetric matrix → tridiagonal matrix by Householder reflections.
import { dot, subtract } from './blocks.ts'

/** T of A = Q·T·Qᵀ: its diagonal, the diagonal beside it, and Q as reflections. */
export interface Tridiagonal {
  readonly n: number
  readonly diagonal: Float64Array
  /** n − 1 elements, then a 0. */
  readonly beside: Float64Array
  /** Row k holds, right of the diagonal, the vector v of reflection k: I − tau·v·vᵀ. */
  readonly reflections: Float64Array
  readonly tau: Float64Array
  /** Largest absolute row sum of T. */
  readonly norm: number
}

/** Tridiagonalises a symmetric n×n matrix, which it overwrites. Only the upper triangle is read. */
export function tridiagonalize(a: Float64Array, n: number): Tridiagonal {
  const diagonal = new Float64Array(n)
  const beside = new Float64Array(n)
  const tau = new Float64Array(n)
  // The update of a reflection waits until the next one passes over the matrix: one pass a step instead of two.
  let [v, p] = [new Float64Array(n), new Float64Array(n)]
  let [next, product] = [new Float64Array(n), new Float64Array(n)]
  for (let k = 0; k < n - 2; k++) {
    updateRow(a, n, k, v, p)
    let square = 0
    for (let j = k + 1; j < n; j++) square += a[k * n + j]! ** 2
    const x0 = a[k * n + k + 1]!
    const alpha = x0 > 0 ? -Math.sqrt(square) : Math.sqrt(square)
    beside[k] = alpha
    // A zero row needs no reflection.
    if (alpha === 0) {
      for (let i = k + 1; i < n; i++) updateRow(a, n, i, v, p)
      v.fill(0)
      p.fill(0)
      continue
    }
    const factor = 1 - x0 / alpha
    tau[k] = factor
    for (let j = k + 1; j < n; j++) {
      next[j] = j === k + 1 ? 1 : a[k * n + j]! / (x0 - alpha)
      a[k * n + j] = next[j]!
    }
    reflect(a, n, k + 1, factor, v, p, next, product)
    ;[v, p, next, product] = [next, product, v, p]
  }
  for (let i = Math.max(0, n - 2); i < n; i++) updateRow(a, n, i, v, p)
  for (let i = 0; i < n; i++) diagonal[i] = a[i * n + i]!
  if (n > 1) beside[n - 2] = a[(n - 2) * n + n - 1]!
  let norm = 0
  for (let i = 0; i < n; i++)
    norm = Math.max(norm, Math.abs(diagonal[i]!) + Math.abs(beside[i]!) + Math.abs(beside[i - 1] ?? 0))
  return { n, diagonal, beside, reflections: a, tau, norm }
}

/** Row i of A − v·pᵀ − p·vᵀ, from the diagonal on. */
function updateRow(a: Float64Array, n: number, i: number, v: Float64Array, p: Float64Array): void {
  const [vi, pi] = [v[i]!, p[i]!]
  for (let j = i; j < n; j++) a[i * n + j]! -= vi * p[j]! + pi * v[j]!
}

/**
 * Applies the waiting update (v, p) from row `from` on and, in the same pass, finds the update of the next reflection
 * I − tau·next·nextᵀ: A22 ← A22 − next·productᵀ − product·nextᵀ.
 */
function reflect(
  a: Float64Array,
  n: number,
  from: number,
  tau: number,
  v: Float64Array,
  p: Float64Array,
  next: Float64Array,
  product: Float64Array,
): void {
  product.fill(0)
  next.fill(0, 0, from)
  let i = from
  // Four rows at a time: what is read of the vectors serves all of them.
  for (; i + 3 < n; i += 4) {
    updateAndMultiply(a, n, i, i + 4, v, p, next, product)
    const [r0, r1, r2, r3] = [i * n, (i + 1) * n, (i + 2) * n, (i + 3) * n]
    const [v0, v1, v2, v3] = [v[i]!, v[i + 1]!, v[i + 2]!, v[i + 3]!]
    const [p0, p1, p2, p3] = [p[i]!, p[i + 1]!, p[i + 2]!, p[i + 3]!]
    const [n0, n1, n2, n3] = [next[i]!, next[i + 1]!, next[i + 2]!, next[i + 3]!]
    let [s0, s1, s2, s3] = [0, 0, 0, 0]
    for (let j = i + 4; j < n; j++) {
      const vj = v[j]!
      const pj = p[j]!
      const nj = next[j]!
      const e0 = a[r0 + j]! - (v0 * pj + p0 * vj)
      const e1 = a[r1 + j]! - (v1 * pj + p1 * vj)
      const e2 = a[r2 + j]! - (v2 * pj + p2 * vj)
      const e3 = a[r3 + j]! - (v3 * pj + p3 * vj)
      a[r0 + j] = e0
      a[r1 + j] = e1
      a[r2 + j] = e2
      a[r3 + j] = e3
      s0 += e0 * nj
      s1 += e1 * nj
      s2 += e2 * nj
      s3 += e3 * nj
      product[j]! += e0 * n0 + e1 * n1 + (e2 * n2 + e3 * n3)
    }
    product[i]! += s0
    product[i + 1]! += s1
    product[i + 2]! += s2
    product[i + 3]! += s3
  }
  updateAndMultiply(a, n, i, n, v, p, next, product)
  for (let j = from; j < n; j++) product[j]! *= tau
  subtract(product, from, next, from, n - from, (tau * dot(product, from, next, from, n - from)) / 2)
}

/** The same for the triangle on the diagonal of rows and columns from `from` to `to`; `product` not yet times tau. */
function updateAndMultiply(
  a: Float64Array,
  n: number,
  from: number,
  to: number,
  v: Float64Array,
  p: Float64Array,
  next: Float64Array,
  product: Float64Array,
): void {
  for (let i = from; i < to; i++)
    for (let j = i; j < to; j++) {
      const entry = a[i * n + j]! - (v[i]! * p[j]! + p[i]! * v[j]!)
      a[i * n + j] = entry
      product[i]! += entry * next[j]!
      if (j > i) product[j]! += entry * next[i]!
    }
}
