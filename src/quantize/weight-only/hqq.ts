// Half-quadratic quantisation: grids from the weights alone, which give up outliers so that the other weights fall nearer to codes.
import type { Matrix } from '../../math/index.ts'
import type { RoundingGrids } from '../rounding/problem.ts'
import { type Block, type BlockFormat, type BlockGrid, errorOf, gridOf, gridsBy } from './block-grids.ts'

/** Shares of a block's range that the search begins with. */
const SHARES = [1, 0.9, 0.8, 0.7]
const STEPS = 4
/** Weight of the quadratic term in the first step, in steps of the grid, and how it grows. */
const BETA = 10
const GROWTH = 1.5

/**
 * Grids of each block by half-quadratic splitting of the l½ norm of the error (HQQ, Badri and Shaji 2023), with zero points
 * that are codes. A block keeps the plain grid where the square error of that is lower: the result is never the worse one.
 */
export function hqqGrids(weights: Matrix, format: BlockFormat): RoundingGrids {
  return gridsBy(weights, format, (block) => {
    let best = gridOf(block, 1)
    let least = errorOf(block, best)
    for (const share of SHARES) {
      const start = gridOf(block, share)
      const zero = settledZero(block, start)
      for (const each of [start.zero, Math.floor(zero), Math.ceil(zero)]) {
        const next = { scale: start.scale, zero: each }
        const error = errorOf(block, next)
        if (error < least) [best, least] = [next, error]
      }
    }
    return best
  })
}

/** z ← mean(code − (w/s − shrunk error)): the zero point between codes and weights without their outliers. */
function settledZero({ weights, high }: Block, { scale, zero: first }: BlockGrid): number {
  let zero = first
  for (let step = 0, beta = BETA; step < STEPS; step++, beta *= GROWTH) {
    let sum = 0
    for (const w of weights) {
      const at = w / scale
      const code = Math.min(Math.max(Math.round(at + zero), 0), high)
      const error = at - (code - zero)
      const size = Math.abs(error)
      // The proximal step of |e|^½: what is small becomes zero, what is large stays.
      const shrunk = size === 0 ? 0 : Math.max(0, size - 1 / (beta * Math.sqrt(size)))
      sum += code - (at - Math.sign(error) * shrunk)
    }
    zero = Math.min(Math.max(sum / weights.length, 0), high)
  }
  return zero
}
