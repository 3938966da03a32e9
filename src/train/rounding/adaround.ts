// AdaRound of one layer on the covariance of what it reads: an iteration costs rows · columns², whatever the samples.
import type { Matrix, Products } from '../../math/index.ts'
import type { RoundingProblem } from '../../quantize/index.ts'
import { adam } from '../optimizers/optimizer.ts'
import {
  type BetaSchedule,
  betaAt,
  inverseOf,
  rectifiedSigmoid,
  rectifiedSigmoidSlope,
  regularizerSlope,
} from './relaxation.ts'

export interface AdaRoundOptions {
  readonly iterations?: number
  /** Adam's step on V. */
  readonly rate?: number
  /** Weight of the regulariser; the reconstruction error is scaled to 1 a weight when rounded to nearest. */
  readonly lambda?: number
  readonly beta?: Omit<BetaSchedule, 'iterations'>
}

/** Fewer than the paper's 10,000: the gradient is that of all samples, not of a batch of 32. */
const defaults = { iterations: 1000, rate: 0.02, lambda: 1, beta: { warmStart: 0.2, from: 20, to: 2 } }

/**
 * Codes [rows, columns] that minimise eᵀHe, e = s·q − W, over rounding each weight up or down (arXiv 2004.10568, sections
 * 3.2 and 3.3, on moments instead of samples). A row keeps the nearest codes where they are better.
 */
export async function adaRound(
  products: Products,
  problem: RoundingProblem,
  options: AdaRoundOptions = {},
): Promise<Float64Array> {
  const { iterations, rate, lambda, beta } = { ...defaults, ...options }
  const { weights, hessian, scales, low, high } = problem
  const { rows, columns, data } = weights
  const floors = new Float64Array(data.length)
  const v = new Float64Array(data.length)
  for (let i = 0; i < data.length; i++) {
    const ratio = data[i]! / scales[Math.floor(i / columns)]!
    floors[i] = Math.floor(ratio)
    v[i] = inverseOf(ratio - floors[i]!)
  }
  const nearest = data.map((w, i) => clamp(Math.round(w / scales[Math.floor(i / columns)]!), low, high))
  const unit = await rowErrors(products, problem, nearest)
  const optimizer = adam()
  const moments = [new Float64Array(v.length), new Float64Array(v.length)]
  const gradient = new Float64Array(v.length)
  const error = new Float64Array(v.length)
  for (let step = 0; step < iterations; step++) {
    for (let i = 0; i < v.length; i++) {
      const scale = scales[Math.floor(i / columns)]!
      error[i] = scale * clamp(floors[i]! + rectifiedSigmoid(v[i]!), low, high) - data[i]!
    }
    const slope = await products.multiply({ rows, columns, data: error }, hessian)
    const strength = betaAt(step, { iterations, ...beta })
    for (let i = 0; i < v.length; i++) {
      const row = Math.floor(i / columns)
      const inside = within(floors[i]! + rectifiedSigmoid(v[i]!), low, high)
      const share = unit[row]! > 0 ? columns / unit[row]! : 0
      const data = inside ? 2 * share * slope.data[i]! * scales[row]! * rectifiedSigmoidSlope(v[i]!) : 0
      gradient[i] = data + (strength === undefined ? 0 : lambda * regularizerSlope(v[i]!, strength))
    }
    optimizer.update(v, gradient, moments, { rate, decay: 0, step: step + 1 })
  }
  const rounded = v.map((value, i) => clamp(floors[i]! + (rectifiedSigmoid(value) >= 0.5 ? 1 : 0), low, high))
  const errors = await rowErrors(products, problem, rounded)
  return rounded.map((code, i) => {
    const row = Math.floor(i / columns)
    return errors[row]! <= unit[row]! ? code : nearest[i]!
  })
}

/** eᵀHe of each row. */
export async function rowErrors(
  products: Products,
  { weights, hessian, scales }: RoundingProblem,
  codes: Float64Array,
): Promise<Float64Array> {
  const { rows, columns, data } = weights
  const error: Matrix = {
    rows,
    columns,
    data: data.map((w, i) => scales[Math.floor(i / columns)]! * codes[i]! - w),
  }
  const product = await products.multiply(error, hessian)
  const sums = new Float64Array(rows)
  for (let i = 0; i < data.length; i++) sums[Math.floor(i / columns)]! += error.data[i]! * product.data[i]!
  return sums
}

function clamp(x: number, low: number, high: number): number {
  return x < low ? low : x > high ? high : x
}

function within(x: number, low: number, high: number): boolean {
  return x >= low && x <= high
}
