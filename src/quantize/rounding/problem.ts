// What is rounded: rows of weights on given grids, one for each row or one for each block of columns.
import { type Matrix, roundToEven } from '../../math/index.ts'

/** The grids of some rows: w ≈ s·c, c integers. */
export interface RoundingGrids {
  /** One for each row, or [rows, blocks]. */
  readonly scales: Float64Array
  /** Columns that share a scale; default: all. The last block may be shorter. */
  readonly block?: number
  /** Taken off every code, like `scales`; default 0. Then `low` and `high` are those of the codes as they are stored. */
  readonly zeroPoints?: Float64Array
  /** Lowest and highest code. */
  readonly low: number
  readonly high: number
}

/** Rows of weights with their grids. */
export interface RoundingProblem extends RoundingGrids {
  /** [rows, columns], the weights of one group. */
  readonly weights: Matrix
  /** Centred covariance of the inputs, [columns, columns]. */
  readonly hessian: Matrix
}

/** Blocks of a row, and where the grid of column `k` of a row lies: `row·blocks + floor(k / block)`. */
export function blocksOf(
  { block }: Pick<RoundingGrids, 'block'>,
  columns: number,
): { readonly block: number; readonly blocks: number } {
  const own = block ?? Math.max(1, columns)
  return { block: own, blocks: Math.max(1, Math.ceil(columns / own)) }
}

/** The nearest code to a number of steps, less its zero point. */
export function codeOf(steps: number, zero: number, low: number, high: number): number {
  const code = roundToEven(steps)
  return code < low - zero ? low - zero : code > high - zero ? high - zero : code
}

/** Nearest codes [rows, columns], less their zero points. */
export function nearestCodes({ rows, columns, data }: Matrix, grids: RoundingGrids): Float64Array {
  const { scales, zeroPoints, low, high } = grids
  const { block, blocks } = blocksOf(grids, columns)
  const codes = new Float64Array(rows * columns)
  for (let row = 0, i = 0; row < rows; row++)
    for (let b = 0; b < blocks; b++) {
      const scale = scales[row * blocks + b]!
      const zero = zeroPoints?.[row * blocks + b] ?? 0
      for (const end = row * columns + Math.min(columns, (b + 1) * block); i < end; i++)
        codes[i] = codeOf(data[i]! / scale, zero, low, high)
    }
  return codes
}

/** s·c, the weights that codes stand for. */
export function decoded(rows: number, columns: number, codes: Float64Array, grids: RoundingGrids): Matrix {
  const { block, blocks } = blocksOf(grids, columns)
  const data = new Float64Array(rows * columns)
  for (let row = 0, i = 0; row < rows; row++)
    for (let b = 0; b < blocks; b++) {
      const scale = grids.scales[row * blocks + b]!
      for (const end = row * columns + Math.min(columns, (b + 1) * block); i < end; i++) data[i] = scale * codes[i]!
    }
  return { rows, columns, data }
}
