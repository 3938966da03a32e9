// Weight scales by output error: the factor of the min-max scale with the least eᵀHe of plain rounding.
import type { Matrix, Products } from '../../math/index.ts'
import { plainCodes } from './optimize.ts'
import { outputErrors } from './output-error.ts'

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

export interface ScaleSearch {
  /** Codes of the grid that the scales are for. */
  readonly low: number
  readonly high: number
  readonly grid: ScaleGrid
  /** One factor for the whole layer. */
  readonly shared: boolean
}

/** Weights of one group of a layer and the covariance of what they read. */
export interface RoundingGroup {
  /** [rows, columns] */
  readonly weights: Matrix
  /** [columns, columns] */
  readonly hessian: Matrix
}

/** Multiplications of one look at a layer from which on each of its rows is searched around its own best. */
const LARGE = 5e7

/** Every how many factors the first look is taken: rows have their own best, and with few bits it lies far from 1. */
function strideOf({ from }: ScaleGrid, shared: boolean, large: boolean): number {
  return shared || large || from >= 0.5 ? 8 : 2
}

/**
 * Scales for the rows of all groups, in order: the best factor for each row, or one for the whole layer when `shared`.
 * Coarse to fine: every eighth factor (every second for rows of few bits), then those around the layer's best; in a large
 * layer, where a look costs seconds, those around each row's best.
 */
export async function searchScales(
  products: Products,
  groups: readonly RoundingGroup[],
  minmax: Float64Array,
  { grid, shared, ...codes }: ScaleSearch,
): Promise<Float64Array> {
  const factorAt = (index: number) => grid.from + ((grid.to - grid.from) * index) / (grid.count - 1)
  const total = (errors: Float64Array) => errors.reduce((a, b) => a + b, 0)
  const tried = new Map<number, Float64Array>()
  const errorsAt = (factors: readonly ((row: number) => number)[]) =>
    errorsOf(
      products,
      groups,
      factors.map((factorOf) => minmax.map((scale, row) => scale * factorOf(row))),
      codes,
    )
  const evaluate = async (indices: readonly number[]) => {
    const fresh = indices.filter((index) => index >= 0 && index < grid.count && !tried.has(index))
    const found = await errorsAt(fresh.map((index) => () => factorAt(index)))
    for (const [i, index] of fresh.entries()) tried.set(index, found[i]!)
  }
  const bestBy = (cost: (errors: Float64Array) => number): number => {
    let best = { index: grid.count - 1, cost: Number.POSITIVE_INFINITY }
    for (const [index, errors] of tried) if (cost(errors) < best.cost) best = { index, cost: cost(errors) }
    return best.index
  }
  const looks = groups.reduce((sum, { weights }) => sum + weights.rows * weights.columns ** 2, 0)
  const large = !shared && looks > LARGE
  const stride = strideOf(grid, shared, large)
  await evaluate(Array.from({ length: Math.ceil(grid.count / stride) }, (_, i) => grid.count - 1 - i * stride))
  if (large) {
    const best = Array.from(minmax, (_, row) => bestBy((errors) => errors[row]!))
    const errors = best.map((index, row) => tried.get(index)?.[row] ?? Number.POSITIVE_INFINITY)
    for (let step = stride / 2; step >= 1; step /= 2) {
      const sides = [-step, step].map((by) => best.map((index) => Math.min(Math.max(index + by, 0), grid.count - 1)))
      const found = await errorsAt(sides.map((side) => (row: number) => factorAt(side[row]!)))
      for (const [side, indices] of sides.entries())
        for (const [row, index] of indices.entries())
          if (found[side]![row]! < errors[row]!) [best[row], errors[row]] = [index, found[side]![row]!]
    }
    return minmax.map((scale, row) => scale * factorAt(best[row]!))
  }
  for (let step = stride / 2; step >= 1; step /= 2) {
    const around = bestBy(total)
    await evaluate([around - step, around + step])
  }
  if (shared) {
    const factor = factorAt(bestBy(total))
    return minmax.map((scale) => scale * factor)
  }
  return minmax.map((scale, row) => scale * factorAt(bestBy((errors) => errors[row]!)))
}

/** eᵀHe of plain rounding for each row of all groups, with each of several lists of scales. */
async function errorsOf(
  products: Products,
  groups: readonly RoundingGroup[],
  candidates: readonly Float64Array[],
  { low, high }: Pick<ScaleSearch, 'low' | 'high'>,
): Promise<Float64Array[]> {
  const errors = candidates.map(({ length }) => new Float64Array(length))
  let first = 0
  for (const { weights, hessian } of groups) {
    const at = (index: number) => {
      const scales = candidates[index]!.subarray(first, first + weights.rows)
      return { codes: plainCodes(weights, scales, low, high), grids: { scales } }
    }
    const found = await outputErrors(products, { weights, hessian }, candidates.length, at)
    for (const [index, own] of found.entries()) errors[index]!.set(own, first)
    first += weights.rows
  }
  return errors
}
