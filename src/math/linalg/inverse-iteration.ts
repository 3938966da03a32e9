// Eigenvectors of a symmetric tridiagonal matrix for given eigenvalues, by inverse iteration.
import { randomStream } from '../../base/index.ts'
import { dot, fourDots, subtract, subtractFour } from './blocks.ts'
import type { Tridiagonal } from './tridiagonal.ts'

const epsilon = 2.2e-16

/**
 * One unit vector a row for each of `values` (sorted). Values closer than 1e-3·‖T‖ form a cluster, in which vectors are
 * made orthogonal to each other.
 */
export function inverseIteration(t: Tridiagonal, values: Float64Array): Float64Array {
  const { n } = t
  const random = randomStream(0, 'inverse iteration')
  const vectors = new Float64Array(values.length * n)
  let cluster = 0
  for (let k = 0; k < values.length; k++) {
    if (k > 0 && Math.abs(values[k]! - values[k - 1]!) > 1e-3 * t.norm) cluster = k
    const lu = factorize(t, values[k]!)
    const z = vectors.subarray(k * n, (k + 1) * n)
    for (let i = 0; i < n; i++) z[i] = random.uniform(-1, 1)
    for (let round = 0; round < 3; round++) {
      solve(lu, z)
      normalize(z)
      // Twice: one pass leaves the rounding errors of a nearly parallel start.
      for (let pass = 0; pass < 2; pass++) removeParts(vectors, cluster, k, n, z)
    }
  }
  return vectors
}

/** Makes z orthogonal to the vectors from row `from` to row `to`. */
function removeParts(vectors: Float64Array, from: number, to: number, n: number, z: Float64Array): void {
  const weights = new Float64Array(4)
  let row = from
  for (; row + 3 < to; row += 4) {
    fourDots(z, 0, vectors, row * n, n, n, weights)
    subtractFour(z, 0, vectors, row * n, n, n, weights)
  }
  for (; row < to; row++) subtract(z, 0, vectors, row * n, n, dot(vectors, row * n, z, 0, n))
  if (to > from) normalize(z)
}

function normalize(z: Float64Array): void {
  // By the largest entry first: a solution may be as large as 1/ε², its square would overflow.
  let largest = 0
  for (const entry of z) largest = Math.max(largest, Math.abs(entry))
  let square = 0
  for (const entry of z) square += (entry / largest) ** 2
  const length = largest * Math.sqrt(square)
  for (let i = 0; i < z.length; i++) z[i]! /= length
}

/** LU of T − λI with row exchanges: U has three diagonals. */
interface Factors {
  readonly pivots: Float64Array
  readonly second: Float64Array
  readonly third: Float64Array
  readonly lower: Float64Array
  readonly exchanged: Uint8Array
}

function factorize(t: Tridiagonal, value: number): Factors {
  const { n, diagonal, beside } = t
  const smallest = epsilon * t.norm
  const pivots = new Float64Array(n)
  const second = new Float64Array(n)
  const third = new Float64Array(n)
  const lower = new Float64Array(n)
  const exchanged = new Uint8Array(n)
  let pivot = diagonal[0]! - value
  let right = beside[0]!
  for (let i = 0; i < n - 1; i++) {
    const below = beside[i]!
    const [nextPivot, nextRight] = [diagonal[i + 1]! - value, beside[i + 1]!]
    if (Math.abs(below) > Math.abs(pivot)) {
      exchanged[i] = 1
      lower[i] = pivot / below
      pivots[i] = below
      second[i] = nextPivot
      third[i] = nextRight
      pivot = right - lower[i]! * nextPivot
      right = -lower[i]! * nextRight
    } else {
      // Without this floor the identity divides zero by zero.
      pivots[i] = Math.abs(pivot) < smallest ? smallest : pivot
      lower[i] = below / pivots[i]!
      second[i] = right
      pivot = nextPivot - lower[i]! * right
      right = nextRight
    }
  }
  pivots[n - 1] = Math.abs(pivot) < smallest ? smallest : pivot
  return { pivots, second, third, lower, exchanged }
}

/** z ← (T − λI)⁻¹·z */
function solve({ pivots, second, third, lower, exchanged }: Factors, z: Float64Array): void {
  const n = z.length
  for (let i = 0; i < n - 1; i++) {
    if (exchanged[i]) [z[i], z[i + 1]] = [z[i + 1]!, z[i]!]
    z[i + 1]! -= lower[i]! * z[i]!
  }
  for (let i = n - 1; i >= 0; i--)
    z[i] = (z[i]! - second[i]! * (z[i + 1] ?? 0) - third[i]! * (z[i + 2] ?? 0)) / pivots[i]!
}
