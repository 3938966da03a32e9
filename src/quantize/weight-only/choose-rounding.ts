// How the weights of one layer are rounded to blocks: what is fitted to some of its rows of samples is kept as far as the others agree.
import type { Moments } from '../../calibrate/index.ts'
import type { Matrix, Products, RegressionMoments } from '../../math/index.ts'
import { optimizeRounding } from '../rounding/optimize.ts'
import { decoded } from '../rounding/problem.ts'
import { chooseRidge, errorOn } from '../rounding/refit.ts'
import { type BlockedWeight, type BlockFormat, blockGrids } from './block-grids.ts'
import { formatOf } from './pack-blocks.ts'

/** Outputs by which a layer is judged, evenly spaced: they are rounded independently of each other, and so many speak for all. */
const JUDGED = 96

/** What is known of a layer before it is rounded. */
export interface RoundingCase {
  /** [outputs, inputs]. */
  readonly weights: Matrix
  /** The nearest codes. */
  readonly plain: BlockedWeight
  readonly bias: Float32Array | undefined
  readonly fit: Moments
  /** Empty where too few batches were seen. */
  readonly check: Moments
}

/** A ridge to refit the weights with before second-order rounding, or none; undefined where the nearest codes are better. */
export async function chooseRounding(
  products: Products,
  { weights, plain, bias, fit, check }: RoundingCase,
): Promise<{ readonly ridge: number | undefined } | undefined> {
  // Too few batches to choose by: rounding alone is safe, a refit is not.
  if (check.count === 0 || fit.count === 0) return { ridge: undefined }
  const rows = evenly(weights.rows)
  const own = pick(weights, rows)
  const [known, judge] = [fit, check].map((moments) => {
    const { covariance, crossCovariance } = aboutZero(moments, bias)
    return { covariance, crossCovariance: pick(crossCovariance, rows) }
  }) as [RegressionMoments, RegressionMoments]
  const nearest = pick(decoded(plain.rows, plain.columns, plain.codes, plain.grids), rows)
  const before = await errorOn(products, nearest, judge)
  const chosen = await chooseRidge(products, [{ weights: own, fit: known, check: judge }])
  const [refitted] = chosen?.weights ?? []
  for (const [from, ridge] of refitted
    ? [[refitted, chosen?.ridge] as const, [own, undefined] as const]
    : [[own, undefined] as const]) {
    const { codes, grids } = await bySecondOrder(products, from, known.covariance, formatOf(plain))
    if ((await errorOn(products, decoded(from.rows, from.columns, codes, grids), judge)) < before) return { ridge }
  }
  return undefined
}

/** Codes of second order, on grids drawn in where that lowers the error of the output. */
export async function bySecondOrder(
  products: Products,
  weights: Matrix,
  hessian: Matrix,
  format: BlockFormat,
): Promise<BlockedWeight> {
  const grids = blockGrids(weights, format, diagonal(hessian))
  const codes = await optimizeRounding({ weights, hessian, ...grids }, products)
  return { rows: weights.rows, columns: weights.columns, codes, grids }
}

/** Second moments about 0 and not about the mean: there is no bias to take up what the means lose. */
export function aboutZero(moments: Moments, bias: Float32Array | undefined): RegressionMoments {
  const { covariance, crossCovariance, meanX, meanY } = moments
  const y = meanY.map((mean, o) => mean - (bias?.[bias.length === 1 ? 0 : o] ?? 0))
  addProduct(covariance.data, meanX, meanX)
  addProduct(crossCovariance.data, y, meanX)
  return { covariance, crossCovariance }
}

function addProduct(sums: Float64Array, a: Float64Array, b: Float64Array): void {
  for (let i = 0, at = 0; i < a.length; i++) for (let j = 0; j < b.length; j++, at++) sums[at]! += a[i]! * b[j]!
}

function diagonal({ columns, data }: Matrix): Float64Array {
  return Float64Array.from({ length: columns }, (_, i) => data[i * (columns + 1)]!)
}

/** At most `JUDGED` of some rows. */
function evenly(rows: number): readonly number[] {
  const count = Math.min(rows, JUDGED)
  return Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * rows) / count))
}

function pick({ columns, data }: Matrix, rows: readonly number[]): Matrix {
  const picked = new Float64Array(rows.length * columns)
  for (const [i, row] of rows.entries()) picked.set(data.subarray(row * columns, (row + 1) * columns), i * columns)
  return { rows: rows.length, columns, data: picked }
}
