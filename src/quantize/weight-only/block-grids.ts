// Grids of 4 bits for blocks of a weight's row, each with a scale and a zero point: what MatMulNBits holds.
import type { Matrix } from '../../math/index.ts'
import type { RoundingGrids } from '../rounding/problem.ts'

const HIGH = 15
/** How far a block's range is drawn in, at most and in steps. */
const SHARES: readonly number[] = Array.from({ length: 13 }, (_, i) => 1 - i * 0.04)

/**
 * Grids that reach from the lowest to the highest weight of each block and hold 0 exactly.
 * @param importance of each column: then the range of a block is drawn in where that lowers the weighted square error
 */
export function blockGrids(weights: Matrix, block: number, importance?: Float64Array): RoundingGrids {
  const { rows, columns, data } = weights
  const blocks = Math.max(1, Math.ceil(columns / block))
  const scales = new Float64Array(rows * blocks)
  const zeroPoints = new Float64Array(rows * blocks)
  for (let row = 0, grid = 0; row < rows; row++)
    for (let from = 0; from < columns; from += block, grid++) {
      const own = data.subarray(row * columns + from, row * columns + Math.min(columns, from + block))
      let best = gridOf(own, 1)
      if (importance) {
        const weigh = importance.subarray(from, from + own.length)
        let least = errorOf(own, best, weigh)
        for (const share of SHARES) {
          const next = gridOf(own, share)
          const error = errorOf(own, next, weigh)
          if (error < least) [best, least] = [next, error]
        }
      }
      scales[grid] = best.scale
      zeroPoints[grid] = best.zero
    }
  return { scales, zeroPoints, block, low: 0, high: HIGH }
}

interface BlockGrid {
  readonly scale: number
  readonly zero: number
}

function gridOf(weights: Float64Array, share: number): BlockGrid {
  let low = 0
  let high = 0
  for (const w of weights) {
    if (w < low) low = w
    else if (w > high) high = w
  }
  const scale = Math.fround(((high - low) * share) / HIGH)
  // An empty block, or one of denormal weights, is all zero.
  if (!(scale >= 2 ** -126)) return { scale: 1, zero: 0 }
  return { scale, zero: Math.min(Math.max(Math.round((-low * share) / scale), 0), HIGH) }
}

function errorOf(weights: Float64Array, { scale, zero }: BlockGrid, importance: Float64Array): number {
  let sum = 0
  for (let i = 0; i < weights.length; i++) {
    const code = Math.min(Math.max(Math.round(weights[i]! / scale), -zero), HIGH - zero)
    sum += importance[i]! * (weights[i]! - scale * code) ** 2
  }
  return sum
}
