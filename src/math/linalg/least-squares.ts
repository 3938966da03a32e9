// Least squares through normal equations: Cholesky of the Gram matrix with a ridge that grows until it holds.
import { InputError } from '../../base/index.ts'
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

/** Lower triangle L with L·Lᵀ = G + ridge·I; undefined when a pivot is not positive. */
export function cholesky(g: Matrix, ridge = 0): Matrix | undefined {
  const n = g.rows
  const l = new Float64Array(n * n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let sum = g.data[i * n + j]! + (i === j ? ridge : 0)
      for (let k = 0; k < j; k++) sum -= l[i * n + k]! * l[j * n + k]!
      if (i !== j) l[i * n + j] = sum / l[j * n + j]!
      else if (sum > 0) l[i * n + i] = Math.sqrt(sum)
      else return undefined
    }
  return { rows: n, columns: n, data: l }
}

function solveTriangles(factor: Matrix, right: Matrix): Matrix {
  const n = factor.rows
  const m = right.columns
  const l = factor.data
  const x = right.data.slice()
  const subtract = (row: number, other: number, weight: number) => {
    for (let c = 0; c < m; c++) x[row * m + c]! -= weight * x[other * m + c]!
  }
  const divide = (row: number, pivot: number) => {
    for (let c = 0; c < m; c++) x[row * m + c]! /= pivot
  }
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) subtract(i, k, l[i * n + k]!)
    divide(i, l[i * n + i]!)
  }
  for (let i = n - 1; i >= 0; i--) {
    divide(i, l[i * n + i]!)
    for (let k = 0; k < i; k++) subtract(k, i, l[i * n + k]!)
  }
  return { rows: n, columns: m, data: x }
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
