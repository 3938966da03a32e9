// Second-order rounding: codes that minimise the error of the layer's output, not of each weight. GPTQ, then coordinate descent.
import { type Matrix, type Products, plainProducts } from '../../math/index.ts'
import { gptq } from './gptq.ts'
import { errorSlopes, outputErrors } from './output-error.ts'
import { blocksOf, codeOf, nearestCodes, type RoundingProblem } from './problem.ts'

/** Share of the mean diagonal that damps the Hessian. */
const DAMP = 0.01
/** Most weights settle in four; a sweep that changes nothing is the last one. */
const SWEEPS = 20

/**
 * Integer codes [rows, columns], less their zero points, with a low eᵀHe, e = W − s·q, for each row: GPTQ (arXiv 2210.17323) in order of falling
 * diagonal, plain rounding where it is better, then sweeps of coordinate descent, each of which can only lower eᵀHe.
 * @example
 * ```ts
 * const weights = { rows: 1, columns: 2, data: Float64Array.of(0.4, 0.6) }
 * const hessian = { rows: 2, columns: 2, data: Float64Array.of(1, 0.9, 0.9, 1) }
 * await optimizeRounding({ weights, hessian, scales: Float64Array.of(1), low: -7, high: 7 }) // one code for each weight
 * ```
 */
export async function optimizeRounding(
  problem: RoundingProblem,
  products: Products = plainProducts,
): Promise<Float64Array> {
  const { weights } = problem
  const n = weights.columns
  const hessian = damped(problem.hessian)
  const plain = nearestCodes(weights, problem)
  const guided = (await gptq(products, { ...problem, hessian })) ?? plain
  const both = [guided, plain].map((codes) => ({ codes, grids: problem }))
  const [own, other] = await outputErrors(products, { weights, hessian }, 2, (index) => both[index]!)
  const part = (list: Float64Array, row: number) => list.subarray(row * n, (row + 1) * n)
  for (let row = 0; row < weights.rows; row++) if (other![row]! <= own![row]!) part(guided, row).set(part(plain, row))
  const slopes = await errorSlopes(products, weights, { codes: guided, grids: problem }, hessian)
  for (let row = 0; row < weights.rows; row++)
    descend(part(guided, row), part(slopes.data, row), row, { ...problem, hessian })
  return guided
}

/** Nearest codes, with a scale each row. */
export function plainCodes(weights: Matrix, scales: Float64Array, low: number, high: number): Float64Array {
  return nearestCodes(weights, { scales, low, high })
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

/** q_k ← clip(round(q_k + (He)_k/(H_kk·s))) until nothing changes, at most `SWEEPS` times; a row's codes and He in place. */
function descend(q: Float64Array, slopes: Float64Array, row: number, problem: RoundingProblem): void {
  const { scales, zeroPoints, low, high } = problem
  const { columns: n, data: h } = problem.hessian
  const { block, blocks } = blocksOf(problem, n)
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let changed = false
    for (let b = 0, k = 0; b < blocks; b++) {
      const scale = scales[row * blocks + b]!
      const zero = zeroPoints?.[row * blocks + b] ?? 0
      for (const end = Math.min(n, (b + 1) * block); k < end; k++) {
        const next = codeOf(q[k]! + slopes[k]! / (h[k * n + k]! * scale), zero, low, high)
        const step = (next - q[k]!) * scale
        if (step === 0) continue
        changed = true
        q[k] = next
        for (let j = 0, at = k * n; j < n; j++, at++) slopes[j]! -= step * h[at]!
      }
    }
    if (!changed) return
  }
}
