// MSE on exact values, for weights: a channel or a block has too few values for a histogram.
import { roundToEven } from '../../math/index.ts'
import { searchMse } from './mse.ts'
import type { Range, RangeOptions } from './range.ts'

/** The range with the least squared error of these values (one channel, one block), as `mse` does for a histogram. */
export function mseRangeOfValues(values: Float32Array, options: RangeOptions): Range {
  let min = 0
  let max = 0
  for (const value of values) {
    if (value < min) min = value
    if (value > max) max = value
  }
  const { low, high } = searchMse(min, max, options, (scale, lowest, highest) => {
    let sum = 0
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!
      const step = roundToEven(Math.fround(value / scale))
      const error = value - Math.fround((step < lowest ? lowest : step > highest ? highest : step) * scale)
      sum += error * error
    }
    return sum
  })
  if (!options.symmetric) return { low, high }
  const end = Math.max(-low, high)
  return { low: -end, high: end }
}
