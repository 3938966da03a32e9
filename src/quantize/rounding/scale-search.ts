// Weight scales by output error: the factor of the min-max scale with the least eᵀHe of plain rounding.
import type { Matrix, Products } from '../../math/index.ts'
import { plainCodes } from './optimize.ts'

/** What is searched: factors of the scale that covers the largest weight. */
export interface ScaleGrid {
  readonly from: number
  readonly to: number
  readonly count: number
}

/** 8 bits: 53 factors from 0.50 to 1.02; fewer bits clip more. */
export function scaleGridFor(bits: number): ScaleGrid {
  return bits >= 8 ? { from: 0.5, to: 1.02, count: 53 } : { from: 0.3, to: 1.1, count: 81 }
}

/** Weights of one group of a layer and the covariance of what they read. */
export interface RoundingGroup {
  /** [rows, columns] */
  readonly weights: Matrix
  /** [columns, columns] */
  readonly hessian: Matrix
}

/** Every how many factors the first look is taken: rows have their own best, and with few bits it lies far from 1. */
function strideOf({ from }: ScaleGrid, shared: boolean): number {
  return shared || from >= 0.5 ? 8 : 2
}

/**
 * Scales for the rows of all groups, in order: the best factor for each row, or one for the whole layer when `shared`.
 * Coarse to fine: every eighth factor (every second for rows of few bits), then those around the layer's best.
 */
export async function searchScales(
  products: Products,
  groups: readonly RoundingGroup[],
  minmax: Float64Array,
  codes: { readonly low: number; readonly high: number },
  grid: ScaleGrid,
  shared: boolean,
): Promise<Float64Array> {
  const factorAt = (index: number) => grid.from + ((grid.to - grid.from) * index) / (grid.count - 1)
  const tried = new Map<number, Float64Array>()
  const evaluate = async (index: number) => {
    if (index < 0 || index >= grid.count || tried.has(index)) return
    const factor = factorAt(index)
    tried.set(
      index,
      await errorsOf(
        products,
        groups,
        minmax.map((scale) => scale * factor),
        codes,
      ),
    )
  }
  const bestBy = (cost: (errors: Float64Array) => number): number => {
    let best = { index: grid.count - 1, cost: Number.POSITIVE_INFINITY }
    for (const [index, errors] of tried) if (cost(errors) < best.cost) best = { index, cost: cost(errors) }
    return best.index
  }
  const total = (errors: Float64Array) => errors.reduce((a, b) => a + b, 0)
  const stride = strideOf(grid, shared)
  for (let index = grid.count - 1; index >= 0; index -= stride) await evaluate(index)
  for (let step = stride / 2; step >= 1; step /= 2) {
    const around = bestBy(total)
    await evaluate(around - step)
    await evaluate(around + step)
  }
  if (shared) {
    const factor = factorAt(bestBy(total))
    return minmax.map((scale) => scale * factor)
  }
  return minmax.map((scale, row) => scale * factorAt(bestBy((errors) => errors[row]!)))
}

/** eᵀHe of plain rounding for each row of all groups. */
async function errorsOf(
  products: Products,
  groups: readonly RoundingGroup[],
  scales: Float64Array,
  { low, high }: { readonly low: number; readonly high: number },
): Promise<Float64Array> {
  const errors = new Float64Array(scales.length)
  let first = 0
  for (const { weights, hessian } of groups) {
    const { rows, columns, data } = weights
    const own = scales.subarray(first, first + rows)
    const codes = plainCodes(weights, own, low, high)
    const error = data.map((w, i) => w - own[Math.floor(i / columns)]! * codes[i]!)
    const product = await products.multiply({ rows, columns, data: error }, hessian)
    for (let i = 0; i < error.length; i++) errors[first + Math.floor(i / columns)]! += error[i]! * product.data[i]!
    first += rows
  }
  return errors
}
