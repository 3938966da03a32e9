// Second-order rounding: codes that minimise the error of the layer's output, not of each weight. GPTQ, then coordinate descent.
import { cholesky, type Matrix, roundToEven } from '../../math/index.ts'

/** Rows of weights with their grids. */
export interface RoundingProblem {
  /** [rows, columns], the weights of one group. */
  readonly weights: Matrix
  /** Centred covariance of the inputs, [columns, columns]. */
  readonly hessian: Matrix
  /** Scale of each row. */
  readonly scales: Float64Array
  /** Lowest and highest code. */
  readonly low: number
  readonly high: number
}

/** Share of the mean diagonal that damps the Hessian. */
const DAMP = 0.01
/** Most weights settle in four; a sweep that changes nothing is the last one. */
const SWEEPS = 20

/**
 * Integer codes [rows, columns] with a low eᵀHe, e = W − s·q, for each row: GPTQ (arXiv 2210.17323) in order of falling
 * diagonal, plain rounding where it is better, then sweeps of coordinate descent, each of which can only lower eᵀHe.
 */
export function optimizeRounding(problem: RoundingProblem): Float64Array {
  const { weights, scales, low, high } = problem
  const { rows, columns: n } = weights
  const h = damped(problem.hessian)
  const plain = plainCodes(weights, scales, low, high)
  const guided = gptq(weights, h, scales, low, high) ?? plain
  const codes = new Float64Array(rows * n)
  for (let row = 0; row < rows; row++) {
    const part = (list: Float64Array) => list.subarray(row * n, (row + 1) * n)
    const best = [plain, guided]
      .map((list) => ({ list, cost: errorOf(part(weights.data), part(list), scales[row]!, h) }))
      .reduce((a, b) => (b.cost < a.cost ? b : a))
    const own = codes.subarray(row * n, (row + 1) * n)
    own.set(part(best.list))
    descend(part(weights.data), own, scales[row]!, h, low, high)
  }
  return codes
}

/** Nearest codes. */
export function plainCodes(
  { rows, columns, data }: Matrix,
  scales: Float64Array,
  low: number,
  high: number,
): Float64Array {
  const codes = new Float64Array(rows * columns)
  for (let row = 0, i = 0; row < rows; row++)
    for (let c = 0; c < columns; c++, i++) codes[i] = clamp(roundToEven(data[i]! / scales[row]!), low, high)
  return codes
}

/** H with its diagonal raised: 1 % of the mean, so that dead inputs do not make it singular. */
function damped({ rows, columns, data }: Matrix): Matrix {
  let trace = 0
  for (let i = 0; i < rows; i++) trace += data[i * columns + i]!
  const copy = data.slice()
  const extra = (DAMP * trace) / rows + 1e-12
  for (let i = 0; i < rows; i++) copy[i * columns + i]! += extra
  return { rows, columns, data: copy }
}

/** eᵀHe with e = w − s·q. */
export function errorOf(w: Float64Array, q: Float64Array, scale: number, h: Matrix): number {
  const n = h.columns
  const e = w.map((x, k) => x - scale * q[k]!)
  let sum = 0
  for (let i = 0; i < n; i++) {
    if (e[i] === 0) continue
    let row = 0
    for (let j = 0; j < n; j++) row += h.data[i * n + j]! * e[j]!
    sum += e[i]! * row
  }
  return sum
}

/** Rounds column by column and spreads each column's error over those that are left. */
function gptq(weights: Matrix, h: Matrix, scales: Float64Array, low: number, high: number): Float64Array | undefined {
  const { rows, columns: n } = weights
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => h.data[b * n + b]! - h.data[a * n + a]! || a - b)
  const upper = inverseUpper(h, order)
  if (!upper) return undefined
  const codes = new Float64Array(rows * n)
  const left = new Float64Array(n)
  for (let row = 0; row < rows; row++) {
    const scale = scales[row]!
    for (let k = 0; k < n; k++) left[k] = weights.data[row * n + order[k]!]!
    for (let k = 0; k < n; k++) {
      const code = clamp(roundToEven(left[k]! / scale), low, high)
      codes[row * n + order[k]!] = code
      const error = (left[k]! - scale * code) / upper[k * n + k]!
      if (error === 0) continue
      for (let j = k + 1, at = k * n + k + 1; j < n; j++, at++) left[j]! -= error * upper[at]!
    }
  }
  return codes
}

/**
 * The upper Cholesky factor U of the inverse, H⁻¹ = UᵀU, with rows and columns in `order`. From H = R·Rᵀ with R upper
 * (a Cholesky factorisation from the end), U = R⁻¹.
 */
function inverseUpper(h: Matrix, order: readonly number[]): Float64Array | undefined {
  const n = h.columns
  const reversed = new Float64Array(n * n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) reversed[i * n + j] = h.data[order[n - 1 - i]! * n + order[n - 1 - j]!]!
  const factor = cholesky({ rows: n, columns: n, data: reversed })
  if (!factor) return undefined
  const r = new Float64Array(n * n)
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) r[(n - 1 - i) * n + (n - 1 - j)] = factor.data[i * n + j]!
  return invertUpper(r, n)
}

function invertUpper(r: Float64Array, n: number): Float64Array {
  const inverse = new Float64Array(n * n)
  for (let i = n - 1; i >= 0; i--) {
    const pivot = 1 / r[i * n + i]!
    inverse[i * n + i] = pivot
    // Row i of R·X = 1: X[i, j] = −(Σ_k R[i, k]·X[k, j]) / R[i, i].
    for (let k = i + 1; k < n; k++) {
      const weight = -r[i * n + k]! * pivot
      if (weight !== 0) for (let j = k; j < n; j++) inverse[i * n + j]! += weight * inverse[k * n + j]!
    }
  }
  return inverse
}

/** q_k ← clip(round(q_k + (He)_k/(H_kk·s))) until nothing changes, at most `SWEEPS` times; in place. */
function descend(w: Float64Array, q: Float64Array, scale: number, h: Matrix, low: number, high: number): void {
  const n = h.columns
  const gradient = new Float64Array(n)
  for (let k = 0; k < n; k++) {
    const e = w[k]! - scale * q[k]!
    if (e !== 0) for (let j = 0, at = k * n; j < n; j++, at++) gradient[j]! += e * h.data[at]!
  }
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let changed = false
    for (let k = 0; k < n; k++) {
      const next = clamp(roundToEven(q[k]! + gradient[k]! / (h.data[k * n + k]! * scale)), low, high)
      const step = (next - q[k]!) * scale
      if (step === 0) continue
      changed = true
      q[k] = next
      for (let j = 0, at = k * n; j < n; j++, at++) gradient[j]! -= step * h.data[at]!
    }
    if (!changed) return
  }
}

function clamp(x: number, low: number, high: number): number {
  return x < low ? low : x > high ? high : x
}
