// Least squares through normal equations: Cholesky of the Gram matrix with a ridge that grows until it holds.
import { InputError } from '../../base/index.ts'
import { dot, fourDots, subtract, subtractFour } from './blocks.ts'
import type { Matrix } from './matrix.ts'

export interface LeastSquares {
  /** X of (G + ridge·I)·X = R; the shape of R. */
  readonly solution: Matrix
  /** The ridge that was needed. */
  readonly ridge: number
  /** Estimate of the condition of G + ridge·I: (largest pivot ÷ smallest pivot)². */
  readonly condition: number
}

/**
 * Solves G·X = R for a symmetric positive semi-definite G = AᵀA [n, n] and R = AᵀB [n, m]. The ridge is 1e-9·tr(G)/n
 * unless given; when a pivot is not positive it is multiplied by 100, at most four times.
 * @throws InputError when sizes differ or G stays singular
 */
export function solveNormalEquations(g: Matrix, r: Matrix, options: { readonly ridge?: number } = {}): LeastSquares {
  const n = g.rows
  if (g.columns !== n || r.rows !== n)
    throw new InputError(
      `normal equations need G [n, n] and R [n, m], got [${n}, ${g.columns}] and [${r.rows}, ${r.columns}]`,
    )
  let trace = 0
  for (let i = 0; i < n; i++) trace += g.data[i * n + i]!
  const smallest = (1e-9 * trace) / Math.max(1, n)
  let ridge = options.ridge ?? smallest
  for (let attempt = 0; attempt <= 4; attempt++) {
    const factor = cholesky(g, ridge)
    if (factor) return { solution: solveTriangles(factor, r), ridge, condition: conditionOf(factor) }
    ridge = Math.max(ridge, smallest) * 100
  }
  throw new InputError(
    `a ${n}×${n} least-squares system is singular even with a ridge of ${ridge / 100}: are there NaN or only zeros in it?`,
  )
}

/** Ridges that are tried, each 100 times the one before. */
const RIDGES = 12

/**
 * Lower triangle L with L·Lᵀ = G + ridge·I for the first ridge of `smallest`, 100·`smallest`, … that leaves all pivots positive.
 * @throws InputError when none does: there is NaN in G, or it is far from positive semi-definite
 */
export function choleskyWithRidge(g: Matrix, smallest: number): Matrix {
  let ridge = smallest
  for (let tried = 0; tried < RIDGES; tried++, ridge *= 100) {
    const lower = cholesky(g, ridge)
    if (lower) return lower
  }
  throw new InputError(
    `a ${g.rows}×${g.columns} matrix has no Cholesky factor, even with a ridge of ${ridge / 100}: are there NaN or infinite values in the samples or in the weights?`,
  )
}

/** Lower triangle L with L·Lᵀ = G + ridge·I; undefined when a pivot is not positive. */
export function cholesky(g: Matrix, ridge = 0): Matrix | undefined {
  const n = g.rows
  const l = new Float64Array(n * n)
  const sums = new Float64Array(4)
  for (let i = 0; i < n; i++) {
    const row = i * n
    let j = 0
    for (; j + 3 < i; j += 4) {
      fourDots(l, row, l, j * n, n, j, sums)
      for (let q = 0; q < 4; q++) {
        const other = (j + q) * n
        let sum = g.data[row + j + q]! - sums[q]!
        for (let k = j; k < j + q; k++) sum -= l[row + k]! * l[other + k]!
        l[row + j + q] = sum / l[other + j + q]!
      }
    }
    for (; j < i; j++) l[row + j] = (g.data[row + j]! - dot(l, row, l, j * n, j)) / l[j * n + j]!
    const pivot = g.data[row + i]! + ridge - dot(l, row, l, row, i)
    // Written so that NaN fails.
    if (!(pivot > 0)) return undefined
    l[row + i] = Math.sqrt(pivot)
  }
  return { rows: n, columns: n, data: l }
}

/** X of L·X = R, in place of R [n, m]. */
export function solveLower({ rows: n, data: l }: Matrix, r: Matrix): void {
  const { columns: m, data: x } = r
  const weights = new Float64Array(4)
  for (let i = 0; i < n; i++) {
    let k = 0
    for (; k + 3 < i; k += 4) {
      for (let q = 0; q < 4; q++) weights[q] = l[i * n + k + q]!
      subtractFour(x, i * m, x, k * m, m, m, weights)
    }
    for (; k < i; k++) subtract(x, i * m, x, k * m, m, l[i * n + k]!)
    divide(x, i * m, m, l[i * n + i]!)
  }
}

/** X of Lᵀ·X = R, in place of R [n, m]. */
export function solveLowerTransposed({ rows: n, data: l }: Matrix, r: Matrix): void {
  const { columns: m, data: x } = r
  const weights = new Float64Array(4)
  for (let i = n - 1; i >= 0; i--) {
    let k = i + 1
    for (; k + 3 < n; k += 4) {
      for (let q = 0; q < 4; q++) weights[q] = l[(k + q) * n + i]!
      subtractFour(x, i * m, x, k * m, m, m, weights)
    }
    for (; k < n; k++) subtract(x, i * m, x, k * m, m, l[k * n + i]!)
    divide(x, i * m, m, l[i * n + i]!)
  }
}

function divide(x: Float64Array, from: number, count: number, by: number): void {
  for (let c = from; c < from + count; c++) x[c]! /= by
}

function solveTriangles(factor: Matrix, right: Matrix): Matrix {
  const solution = { ...right, data: right.data.slice() }
  solveLower(factor, solution)
  solveLowerTransposed(factor, solution)
  return solution
}

function conditionOf(factor: Matrix): number {
  let low = Number.POSITIVE_INFINITY
  let high = 0
  for (let i = 0; i < factor.rows; i++) {
    const pivot = factor.data[i * factor.rows + i]!
    low = Math.min(low, pivot)
    high = Math.max(high, pivot)
  }
  return (high / low) ** 2
}
