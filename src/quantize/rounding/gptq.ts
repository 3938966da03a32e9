// GPTQ (arXiv 2210.17323): columns are rounded one after the other, and each one's error is spread over those that are left.
import { inverseLower, type Matrix, type Products } from '../../math/index.ts'
import { blocksOf, codeOf, type RoundingProblem } from './problem.ts'

/** Columns that are rounded before the others hear of their errors, in one product for all rows. */
const BLOCK = 64

/** Codes [rows, columns], less their zero points, in order of falling diagonal of H, which must be damped; undefined when H is not positive definite. */
export async function gptq(products: Products, problem: RoundingProblem): Promise<Float64Array | undefined> {
  const { weights, hessian, scales, zeroPoints, low, high } = problem
  const { rows, columns: n } = weights
  const { block, blocks } = blocksOf(problem, n)
  const { data: h } = hessian
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => h[b * n + b]! - h[a * n + a]! || a - b)
  const upper = await inverseUpper(products, hessian, order)
  if (!upper) return undefined
  const grids = Int32Array.from(order, (k) => Math.floor(k / block))
  const codes = new Float64Array(rows * n)
  const left = { rows, columns: n, data: new Float64Array(rows * n) }
  for (let row = 0; row < rows; row++)
    for (let k = 0; k < n; k++) left.data[row * n + k] = weights.data[row * n + order[k]!]!
  // Of a wide layer U is larger than what the processor keeps at hand; the part that a block reads is small.
  const near = new Float64Array(BLOCK * BLOCK)
  const rest = new Float64Array(BLOCK)
  for (let from = 0; from < n; from += BLOCK) {
    const to = Math.min(n, from + BLOCK)
    const width = to - from
    for (let k = 0; k < width; k++) near.set(upper.subarray((from + k) * n + from, (from + k) * n + to), k * BLOCK)
    const errors = new Float64Array(rows * width)
    for (let row = 0; row < rows; row++) {
      const base = row * n
      rest.set(left.data.subarray(base + from, base + to))
      for (let k = 0; k < width; k++) {
        const grid = row * blocks + grids[from + k]!
        const scale = scales[grid]!
        const value = rest[k]!
        const code = codeOf(value / scale, zeroPoints?.[grid] ?? 0, low, high)
        codes[base + order[from + k]!] = code
        const error = (value - scale * code) / near[k * BLOCK + k]!
        errors[row * width + k] = error
        if (error !== 0) for (let j = k + 1, at = k * BLOCK + j; j < width; j++, at++) rest[j]! -= error * near[at]!
      }
    }
    if (to < n) await spread(products, { rows, columns: width, data: errors }, { upper, left }, to)
  }
  return codes
}

/** Takes the errors of the columns before `to` off all columns from there on. */
async function spread(
  products: Products,
  errors: Matrix,
  { upper, left: { columns: n, data: left } }: { readonly upper: Float64Array; readonly left: Matrix },
  to: number,
): Promise<void> {
  const rest = n - to
  const from = to - errors.columns
  const part = new Float64Array((to - from) * rest)
  for (let k = from; k < to; k++) part.set(upper.subarray(k * n + to, (k + 1) * n), (k - from) * rest)
  const { data } = await products.multiply(errors, { rows: to - from, columns: rest, data: part }, { spent: 'both' })
  for (let row = 0, i = 0; row < errors.rows; row++)
    for (let j = row * n + to; j < (row + 1) * n; j++, i++) left[j]! -= data[i]!
}

/**
 * The upper Cholesky factor U of the inverse, H⁻¹ = UᵀU, with rows and columns in `order`. From H = R·Rᵀ with R upper
 * (a Cholesky factorisation from the end), U = R⁻¹.
 */
async function inverseUpper(
  products: Products,
  h: Matrix,
  order: readonly number[],
): Promise<Float64Array | undefined> {
  const n = h.columns
  const reversed = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    const row = order[n - 1 - i]! * n
    for (let j = 0; j < n; j++) reversed[i * n + j] = h.data[row + order[n - 1 - j]!]!
  }
  const lower = await inverseLower(products, { rows: n, columns: n, data: reversed })
  return lower?.data.reverse()
}
