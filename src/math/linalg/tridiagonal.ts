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
  for (let i = from; i < n; i++) {
    const [vi, pi, ni] = [v[i]!, p[i]!, next[i]!]
    const row = i * n
    const own = a[row + i]! - 2 * (vi * pi)
    a[row + i] = own
    let sum = own * ni
    for (let j = i + 1; j < n; j++) {
      const entry = a[row + j]! - (vi * p[j]! + pi * v[j]!)
      a[row + j] = entry
      sum += entry * next[j]!
      product[j]! += entry * ni
    }
    product[i]! += sum
  }
  let dot = 0
  for (let i = from; i < n; i++) {
    product[i]! *= tau
    dot += product[i]! * next[i]!
  }
  const half = (tau * dot) / 2
  for (let i = from; i < n; i++) product[i]! -= half * next[i]!
}

/** Vectors that pass the reflections together: a reflection is read once for all of them. */
const TOGETHER = 16

/** Turns eigenvectors of T, one a row, into those of A, in place. */
export function backTransform(t: Tridiagonal, vectors: Float64Array): void {
  const { n, reflections, tau } = t
  for (let start = 0; start < vectors.length; start += TOGETHER * n) {
    const end = Math.min(vectors.length, start + TOGETHER * n)
    for (let k = n - 3; k >= 0; k--) {
      if (tau[k] === 0) continue
      const reflection = k * n
      for (let row = start; row < end; row += n) {
        const dot = tau[k]! * product(reflections, reflection, vectors, row, k + 1, n)
        for (let j = k + 1; j < n; j++) vectors[row + j]! -= dot * reflections[reflection + j]!
      }
    }
  }
}

/** Σ a[a0 + j]·b[b0 + j], in four sums that do not wait for each other. */
function product(a: Float64Array, a0: number, b: Float64Array, b0: number, from: number, to: number): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0]
  let j = from
  for (; j + 3 < to; j += 4) {
    s0 += a[a0 + j]! * b[b0 + j]!
    s1 += a[a0 + j + 1]! * b[b0 + j + 1]!
    s2 += a[a0 + j + 2]! * b[b0 + j + 2]!
    s3 += a[a0 + j + 3]! * b[b0 + j + 3]!
  }
  for (; j < to; j++) s0 += a[a0 + j]! * b[b0 + j]!
  return s0 + s1 + (s2 + s3)
}
