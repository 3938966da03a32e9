// Symmetric matrix → tridiagonal matrix by Householder reflections, and vectors back again.

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
  const v = new Float64Array(n)
  const p = new Float64Array(n)
  for (let k = 0; k < n - 2; k++) {
    let square = 0
    for (let j = k + 1; j < n; j++) square += a[k * n + j]! ** 2
    const x0 = a[k * n + k + 1]!
    const alpha = x0 > 0 ? -Math.sqrt(square) : Math.sqrt(square)
    beside[k] = alpha
    // A zero row needs no reflection.
    if (alpha === 0) continue
    const factor = 1 - x0 / alpha
    tau[k] = factor
    for (let j = k + 1; j < n; j++) {
      v[j] = j === k + 1 ? 1 : a[k * n + j]! / (x0 - alpha)
      a[k * n + j] = v[j]!
    }
    reflect(a, n, k + 1, factor, v, p)
  }
  for (let i = 0; i < n; i++) diagonal[i] = a[i * n + i]!
  if (n > 1) beside[n - 2] = a[(n - 2) * n + n - 1]!
  let norm = 0
  for (let i = 0; i < n; i++)
    norm = Math.max(norm, Math.abs(diagonal[i]!) + Math.abs(beside[i]!) + Math.abs(beside[i - 1] ?? 0))
  return { n, diagonal, beside, reflections: a, tau, norm }
}

/** A22 ← H·A22·H with H = I − tau·v·vᵀ, on the upper triangle from row `from` on. */
function reflect(a: Float64Array, n: number, from: number, tau: number, v: Float64Array, p: Float64Array): void {
  p.fill(0, from)
  for (let i = from; i < n; i++) {
    const vi = v[i]!
    let sum = a[i * n + i]! * vi
    for (let j = i + 1; j < n; j++) {
      const entry = a[i * n + j]!
      sum += entry * v[j]!
      p[j]! += entry * vi
    }
    p[i]! += sum
  }
  let dot = 0
  for (let i = from; i < n; i++) {
    p[i]! *= tau
    dot += p[i]! * v[i]!
  }
  const half = (tau * dot) / 2
  for (let i = from; i < n; i++) p[i]! -= half * v[i]!
  for (let i = from; i < n; i++) {
    const vi = v[i]!
    const pi = p[i]!
    for (let j = i; j < n; j++) a[i * n + j]! -= vi * p[j]! + pi * v[j]!
  }
}

/** Turns eigenvectors of T, one a row, into those of A, in place. */
export function backTransform(t: Tridiagonal, vectors: Float64Array): void {
  const { n, reflections, tau } = t
  for (let row = 0; row < vectors.length; row += n)
    for (let k = n - 3; k >= 0; k--) {
      if (tau[k] === 0) continue
      let dot = 0
      for (let j = k + 1; j < n; j++) dot += reflections[k * n + j]! * vectors[row + j]!
      dot *= tau[k]!
      for (let j = k + 1; j < n; j++) vectors[row + j]! -= dot * reflections[k * n + j]!
    }
}
