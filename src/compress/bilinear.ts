// The one routine behind all splits: a kernel as a product of two, fitted to moments.
import {
  cholesky,
  choleskyWithRidge,
  type Matrix,
  matrix,
  type Products,
  ridgeRegression,
  solveLower,
  solveNormalEquations,
  topSvd,
  transpose,
} from '../math/index.ts'
import type { FitProducts } from './fit-steps.ts'
import { type FitTarget, squares } from './target.ts'

/**
 * One group of a layer with its d = across·width inputs in the order (b, j): b the kernel positions of the second factor,
 * j = (input, positions of the first factor). The kernel is W[n, b, j] = Σ_r H[n, b, r]·V[r, j]; in this order W, H and V
 * are plain matrices [n·across, width] = [n·across, rank]·[rank, width].
 */
export interface Bilinear {
  readonly across: number
  readonly width: number
  readonly target: FitTarget
}

export interface Factors {
  /** V, [rank, width] */
  readonly first: Matrix
  /** H, [n·across, rank] */
  readonly second: Matrix
}

/** The same numbers seen with another row length. */
function reshaped(a: Matrix, columns: number): Matrix {
  return { rows: a.data.length / columns, columns, data: a.data }
}

/** W [n, d] of two factors. */
export async function composed(
  products: FitProducts,
  { across, width }: Bilinear,
  { first, second }: Factors,
): Promise<Matrix> {
  return reshaped(await products.multiply(second, first), across * width)
}

/** Largest rank that can matter. */
export function fullRank({ across, width, target }: Bilinear): number {
  return Math.min(width, target.weight.rows * across)
}

/** The least-squares kernel, B'·C'⁻¹ [n, d]: the ridge is in both of them. Exactly W0 for a target without data. */
export async function leastSquaresKernel(products: Products, target: FitTarget): Promise<Matrix> {
  const { weight, covariance, cross, ridge } = target
  if (ridge === 0) return weight
  return ridgeRegression(products, weight, { covariance, crossCovariance: cross }, { ridge: 0 })
}

/**
 * First factors of all ranks up to `rank`: the truncated SVD of `kernel`, weighted by the inputs that the first factor
 * meets (mean over b of the diagonal blocks of C'), so that what is cut is what matters at the output. Rows are
 * orthonormal in that weighting; those of a smaller rank are the first rows. With across = 1 this is reduced-rank
 * regression and optimal (arXiv 1505.06798, Sec. 3.1); without data it is the plain SVD.
 */
export async function startFactor(
  products: FitProducts,
  problem: Bilinear,
  kernel: Matrix,
  rank: number,
): Promise<Matrix> {
  const { across, width, target } = problem
  const metric = matrix(width, width)
  const d = across * width
  for (let b = 0; b < across; b++)
    for (let i = 0; i < width; i++) {
      const from = (b * width + i) * d + b * width
      for (let j = 0; j < width; j++) metric.data[i * width + j]! += target.covariance.data[from + j]! / across
    }
  const lower = target.ridge === 0 ? undefined : cholesky(metric)
  const seen = reshaped(kernel, width)
  const { right } = await topSvd(lower ? await products.multiply(seen, lower) : seen, rank, products)
  const first = transpose(right)
  if (lower) for (let r = 0; r < first.rows; r++) solveRow(lower, first.data.subarray(r * width, (r + 1) * width))
  return first
}

/** v·L = q for a lower triangle L; q becomes v. */
function solveRow({ data, columns }: Matrix, q: Float64Array): void {
  for (let j = columns - 1; j >= 0; j--) {
    const v = q[j]! / data[j * columns + j]!
    q[j] = v
    for (let i = 0; i < j; i++) q[i]! -= v * data[j * columns + i]!
  }
}

/** G = cov(z, z) + ridge and R = cov(y, z) + ridge of the features z[r, b] = Σ_j V[r, j]·x[b, j], index r·across + b. */
async function features(products: FitProducts, problem: Bilinear, first: Matrix): Promise<{ g: Matrix; r: Matrix }> {
  const { across, width, target } = problem
  if (products.features) return products.features(target.covariance, target.cross, first)
  const rank = first.rows
  const size = rank * across
  const n = target.weight.rows
  const g = matrix(size, size)
  const d = across * width
  for (let b = 0; b < across; b++) {
    const rows = { rows: width, columns: d, data: target.covariance.data.subarray(b * width * d, (b + 1) * width * d) }
    // [rank, across·width] → [rank·across, width] → [rank·across, rank]
    const half = reshaped(await products.multiply(first, rows), width)
    const block = await products.multiply(half, first, { b: true })
    for (let r = 0, at = 0; r < rank; r++)
      for (let other = 0; other < across; other++)
        for (let s = 0; s < rank; s++, at++) g.data[(r * across + b) * size + s * across + other] = block.data[at]!
  }
  const cross = await products.multiply(reshaped(target.cross, width), first, { b: true })
  const r = matrix(n, size)
  for (let o = 0; o < n; o++)
    for (let b = 0; b < across; b++)
      for (let s = 0; s < rank; s++) r.data[o * size + s * across + b] = cross.data[(o * across + b) * rank + s]!
  return { g, r }
}

/** The second factor that fits best behind a first one, H = R·G⁻¹. */
export async function solveSecond(products: FitProducts, problem: Bilinear, first: Matrix): Promise<Matrix> {
  const { across } = problem
  const { g, r } = await features(products, problem, first)
  const n = r.rows
  const rank = first.rows
  const { solution } = solveNormalEquations(g, transpose(r), { ridge: tinyRidge(g) })
  const second = matrix(n * across, rank)
  for (let o = 0; o < n; o++)
    for (let b = 0; b < across; b++)
      for (let s = 0; s < rank; s++) second.data[(o * across + b) * rank + s] = solution.data[(s * across + b) * n + o]!
  return second
}

/** Dead rows of the first factor make G singular; exact results need it far below what float32 can tell. */
function tinyRidge(g: Matrix): number {
  let trace = 0
  for (let i = 0; i < g.rows; i++) trace += g.data[i * (g.rows + 1)]!
  return trace > 0 ? (1e-12 * trace) / g.rows : 1
}

/**
 * Relative errors at ranks 1, 2, … of the given first factor with the best second factor behind it, all from one Cholesky
 * factorisation: with G = L·Lᵀ and Y = L⁻¹·Rᵀ, what rank r explains is the sum of squares of the first r·across rows of Y.
 * Includes the ridge's own share, so it is a little above the error without it.
 */
export async function squaredErrorCurve(
  products: FitProducts,
  problem: Bilinear,
  first: Matrix,
): Promise<Float64Array> {
  const { across, target } = problem
  const { g, r } = await features(products, problem, first)
  const { rows: n, columns: size } = r
  const lower = choleskyWithRidge(g, tinyRidge(g))
  const y = transpose(r)
  solveLower(lower, y)
  const errors = new Float64Array(first.rows)
  let left = target.energy + target.ridge * squares(target.weight)
  for (let i = 0; i < size; i++) {
    for (let at = i * n; at < (i + 1) * n; at++) left -= y.data[at]! ** 2
    if ((i + 1) % across === 0) errors[(i + 1) / across - 1] = Math.max(0, left)
  }
  return errors
}

/** Steps of conjugate gradients for a first factor. */
const STEPS = 20

/**
 * The first factor that fits a second one, from where it is: conjugate gradients with a diagonal preconditioner on
 * v ↦ Hᵀ·(H·v)·C', whose matrix is too large to be written down.
 */
async function solveFirst(products: FitProducts, problem: Bilinear, { first, second }: Factors): Promise<Matrix> {
  const { across, width, target } = problem
  const d = across * width
  const rank = first.rows
  const apply = async (v: Matrix): Promise<Matrix> => {
    const kernel = reshaped(await products.multiply(second, v), d)
    const mapped = reshaped(await products.multiply(kernel, target.covariance), width)
    return products.multiply(second, mapped, { a: true })
  }
  const right = await products.multiply(second, reshaped(target.cross, width), { a: true })
  const inverse = preconditioner(problem, second, rank)
  const limit = 1e-20 * Math.max(dotOf(right.data, right.data), Number.MIN_VALUE)
  if (products.conjugateGradients) {
    const { covariance } = target
    return products.conjugateGradients({ second, covariance, right, start: first, inverse, steps: STEPS, limit })
  }
  const x = first.data.slice()
  const r = right.data.slice()
  const start = await apply(first)
  for (let i = 0; i < r.length; i++) r[i]! -= start.data[i]!
  const z = new Float64Array(r.length)
  const p = new Float64Array(r.length)
  let before = 0
  for (let step = 0; step < STEPS && dotOf(r, r) > limit; step++) {
    for (let i = 0; i < r.length; i++) z[i] = r[i]! * inverse[i]!
    const now = dotOf(r, z)
    const beta = step === 0 ? 0 : now / before
    for (let i = 0; i < p.length; i++) p[i] = z[i]! + beta * p[i]!
    const mapped = (await apply({ rows: rank, columns: width, data: p })).data
    const curvature = dotOf(p, mapped)
    if (!(curvature > 0)) break
    const length = now / curvature
    for (let i = 0; i < x.length; i++) {
      x[i]! += length * p[i]!
      r[i]! -= length * mapped[i]!
    }
    before = now
  }
  return { rows: rank, columns: width, data: x }
}

/** 1 ÷ Σ_b (Σ_n H[n, b, r]²)·C'[(b, j), (b, j)] */
function preconditioner({ across, width, target }: Bilinear, second: Matrix, rank: number): Float64Array {
  const n = target.weight.rows
  const d = across * width
  const diagonal = new Float64Array(rank * width)
  for (let b = 0; b < across; b++)
    for (let r = 0; r < rank; r++) {
      let sum = 0
      for (let o = 0; o < n; o++) sum += second.data[(o * across + b) * rank + r]! ** 2
      for (let j = 0; j < width; j++) {
        const i = b * width + j
        diagonal[r * width + j]! += sum * target.covariance.data[i * (d + 1)]!
      }
    }
  return diagonal.map((value) => (value > 0 ? 1 / value : 0))
}

function dotOf(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/**
 * Fits both factors at a rank: weighted SVD, best second factor, then `rounds` times first and second in turn (none is
 * needed where across is 1: the start is optimal; nor without data, where the SVD is). Factors end with equal norms.
 */
export async function fitFactors(
  products: FitProducts,
  problem: Bilinear,
  rank: number,
  rounds: number,
): Promise<Factors> {
  const kernel = await leastSquaresKernel(products, problem.target)
  let first = await startFactor(products, problem, kernel, rank)
  let second = await solveSecond(products, problem, first)
  const alternate = problem.across > 1 && problem.target.ridge > 0 ? rounds : 0
  for (let round = 0; round < alternate; round++) {
    first = await solveFirst(products, problem, balanced({ first, second }))
    second = await solveSecond(products, problem, first)
  }
  return balanced({ first, second })
}

/** The same product with factors of equal norm for each rank: similar ranges are good for later quantisation. */
function balanced({ first, second }: Factors): Factors {
  const rank = first.rows
  const { columns: width } = first
  const [v, h] = [first.data.slice(), second.data.slice()]
  for (let r = 0; r < rank; r++) {
    let [norm, other] = [0, 0]
    for (let j = 0; j < width; j++) norm += v[r * width + j]! ** 2
    for (let i = r; i < h.length; i += rank) other += h[i]! ** 2
    if (!(norm > 0 && other > 0)) continue
    const factor = (other / norm) ** 0.25
    for (let j = 0; j < width; j++) v[r * width + j]! *= factor
    for (let i = r; i < h.length; i += rank) h[i]! /= factor
  }
  return { first: { ...first, data: v }, second: { ...second, data: h } }
}
