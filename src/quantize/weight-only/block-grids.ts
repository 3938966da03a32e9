// Grids of 4 or 8 bits for blocks of a weight's row, each with a scale and a zero point: what MatMulNBits holds.
import { fromFloat16Bits, type Matrix, toFloat16Bits } from '../../math/index.ts'
import type { RoundingGrids } from '../rounding/problem.ts'

/** How the weights of a layer are stored. */
export interface BlockFormat {
  /** Weights of a row that share a scale and a zero point. */
  readonly block: number
  readonly bits: 4 | 8
  /** Rows of the whole weight, where only some of them are at hand. */
  readonly wholeRows?: number
}

/** A weight [outputs, inputs] in blocks of 4 or 8 bits. */
export interface BlockedWeight {
  readonly rows: number
  readonly columns: number
  /** Less their zero points, [rows, columns]. */
  readonly codes: Float64Array
  readonly grids: RoundingGrids
  /** Of a weight that is too large to be held: its rows part by part, made anew each time, as are `codes` and `grids` of all rows. */
  readonly inParts?: { readonly format: BlockFormat; readonly parts: () => Iterable<BlockedPart> }
}

/** Some rows of a weight. */
export interface BlockedPart extends BlockedWeight {
  /** The first of them. */
  readonly from: number
}

/** A scale and a zero point, which is a code. */
export interface BlockGrid {
  readonly scale: number
  readonly zero: number
}

/** A block of a row of weights. */
export interface Block {
  readonly weights: Float64Array
  /** Column of its first weight. */
  readonly column: number
  /** Highest code; the lowest is 0. */
  readonly high: number
  /** To a number that a scale can be stored as. */
  readonly round: (scale: number) => number
}

/** How far a block's range is drawn in, at most and in steps. */
const SHARES: readonly number[] = Array.from({ length: 13 }, (_, i) => 1 - i * 0.04)

/** Fewer scales are stored in float32: what float16 saves is not worth a node. */
const WORTH_SCALES = 1024

/** Scales of float16 below this have lost bits. */
const SMALLEST_NORMAL = 2 ** -14

/**
 * Grids that reach from the lowest to the highest weight of each block and hold 0 exactly.
 * @param importance of each column: then the range of a block is drawn in where that lowers the weighted square error
 */
export function blockGrids(weights: Matrix, format: BlockFormat, importance?: Float64Array): RoundingGrids {
  return gridsBy(weights, format, (block) =>
    importance
      ? drawnIn(block, importance.subarray(block.column, block.column + block.weights.length))
      : gridOf(block, 1),
  )
}

/** Grids of all blocks, row after row, each chosen by `choose`. */
export function gridsBy(
  { rows, columns, data }: Matrix,
  { block, bits, wholeRows = rows }: BlockFormat,
  choose: (block: Block) => BlockGrid,
): RoundingGrids {
  const blocks = Math.max(1, Math.ceil(columns / block))
  const scales = new Float64Array(rows * blocks)
  const zeroPoints = new Float64Array(rows * blocks)
  const high = 2 ** bits - 1
  const round = wholeRows * blocks < WORTH_SCALES ? Math.fround : toHalf
  for (let row = 0, grid = 0; row < rows; row++)
    for (let column = 0; column < columns; column += block, grid++) {
      const weights = data.subarray(row * columns + column, row * columns + Math.min(columns, column + block))
      const { scale, zero } = choose({ weights, column, high, round })
      scales[grid] = scale
      zeroPoints[grid] = zero
    }
  return { scales, zeroPoints, block, low: 0, high }
}

/** The nearest float16; of what float16 holds badly the nearest float32. */
function toHalf(scale: number): number {
  return scale >= SMALLEST_NORMAL ? fromFloat16Bits(toFloat16Bits(scale)) : Math.fround(scale)
}

/** Where the weights of a block lie, 0 included. */
interface Span {
  readonly lowest: number
  readonly highest: number
}

function spanOf({ weights }: Block): Span {
  let lowest = 0
  let highest = 0
  for (const w of weights) {
    if (w < lowest) lowest = w
    else if (w > highest) highest = w
  }
  return { lowest, highest }
}

/** The grid over a share of a block's range. */
export function gridOf(block: Block, share: number, { lowest, highest }: Span = spanOf(block)): BlockGrid {
  const { high, round } = block
  const scale = round(((highest - lowest) * share) / high)
  // An empty block, or one of denormal weights, is all zero.
  if (!(scale >= 2 ** -126)) return { scale: 1, zero: 0 }
  return { scale, zero: Math.min(Math.max(Math.round((-lowest * share) / scale), 0), high) }
}

function drawnIn(block: Block, importance: Float64Array): BlockGrid {
  const span = spanOf(block)
  let best = gridOf(block, 1, span)
  let least = errorOf(block, best, importance)
  for (const share of SHARES.slice(1)) {
    const next = gridOf(block, share, span)
    const error = errorOf(block, next, importance, least)
    if (error < least) [best, least] = [next, error]
  }
  return best
}

/**
 * Square error of the nearest codes, each weight counted by its importance.
 * @param most the sum ends where it reaches this
 */
export function errorOf(
  { weights, high }: Block,
  { scale, zero }: BlockGrid,
  importance?: Float64Array,
  most: number = Number.POSITIVE_INFINITY,
): number {
  let sum = 0
  for (let i = 0; i < weights.length && sum < most; i++) {
    const steps = Math.round(weights[i]! / scale)
    const code = steps < -zero ? -zero : steps > high - zero ? high - zero : steps
    const error = weights[i]! - scale * code
    sum += (importance ? importance[i]! : 1) * error * error
  }
  return sum
}
