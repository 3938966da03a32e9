// What the readers of a layer's output make of it: a function of one number, as a table.
import type { TensorValue } from '../../base/index.ts'
import type { Scalar } from '../heard.ts'

/** A function of one number, and its slope. */
export interface Reading {
  readonly at: Scalar
  readonly slopeAt: Scalar
}

/** Places of a table between the ends of what was seen. */
const PLACES = 4096

/**
 * A function between the least and the largest of some values, straight between the places of a table; undefined where they are all
 * one, or not finite.
 */
export function readingOn(f: Scalar, values: readonly TensorValue[]): Reading | undefined {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const { data } of values)
    if (data instanceof Float32Array)
      for (const x of data) {
        if (x < low) low = x
        if (x > high) high = x
      }
  if (!(low < high) || !Number.isFinite(high - low)) return undefined
  const step = (high - low) / PLACES
  const table = Float64Array.from({ length: PLACES + 2 }, (_, place) => f(low + place * step))
  const placeOf = (x: number) => Math.min(Math.max(Math.floor((x - low) / step), 0), PLACES)
  return {
    at: (x) => {
      const place = placeOf(x)
      return table[place]! + ((x - low) / step - place) * (table[place + 1]! - table[place]!)
    },
    slopeAt: (x) => {
      const place = placeOf(x)
      return (table[place + 1]! - table[place]!) / step
    },
  }
}
