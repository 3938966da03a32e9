// Eigenvalues of a symmetric tridiagonal matrix by implicit QL (EISPACK tql2), optionally with all vectors.
import { RuntimeFailure } from '../../base/index.ts'
import type { Tridiagonal } from './tridiagonal.ts'

const epsilon = 2.2e-16

/**
 * All eigenvalues of T, in no order. `vectors` (n×n, the identity at the start) becomes the eigenvectors, one a row.
 * Off-diagonal elements are dropped when small against ‖T‖, not only against their neighbours: without that,
 * rank-deficient matrices do not converge.
 * @throws RuntimeFailure when it does not converge in 60 rounds a value
 */
export function implicitQl(t: Tridiagonal, vectors?: Float64Array): Float64Array {
  const { n, norm } = t
  const d = t.diagonal.slice()
  const e = t.beside.slice()
  for (let l = 0; l < n; l++)
    for (let round = 0; ; round++) {
      let m = l
      while (m < n - 1 && Math.abs(e[m]!) > epsilon * Math.max(Math.abs(d[m]!) + Math.abs(d[m + 1]!), norm)) m++
      if (m === l) break
      if (round === 60) throw new RuntimeFailure(`eigenvalue ${l} of a ${n}×${n} matrix did not converge`)
      sweep(d, e, l, m, n, vectors)
    }
  return d
}

function sweep(d: Float64Array, e: Float64Array, l: number, m: number, n: number, vectors?: Float64Array): void {
  const slope = (d[l + 1]! - d[l]!) / (2 * e[l]!)
  const root = Math.sqrt(slope * slope + 1)
  let g = d[m]! - d[l]! + e[l]! / (slope + (slope < 0 ? -root : root))
  let s = 1
  let c = 1
  let p = 0
  for (let i = m - 1; i >= l; i--) {
    const f = s * e[i]!
    const b = c * e[i]!
    const r = Math.sqrt(f * f + g * g)
    e[i + 1] = r
    if (r === 0) {
      d[i + 1]! -= p
      e[m] = 0
      return
    }
    s = f / r
    c = g / r
    g = d[i + 1]! - p
    const shifted = (d[i]! - g) * s + 2 * c * b
    p = s * shifted
    d[i + 1] = g + p
    g = c * shifted - b
    if (vectors) rotate(vectors, i * n, n, c, s)
  }
  d[l]! -= p
  e[l] = g
  e[m] = 0
}

/** Rotates the vector at `row` and the one after it. */
function rotate(vectors: Float64Array, row: number, n: number, c: number, s: number): void {
  for (let k = row; k < row + n; k++) {
    const low = vectors[k]!
    const high = vectors[k + n]!
    vectors[k + n] = s * low + c * high
    vectors[k] = c * low - s * high
  }
}
