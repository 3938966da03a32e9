// cosine: how alike the directions of two models' embeddings are, of each text (the mean of its tokens) and of each token.
import { meanInterval } from '../math/index.ts'
import type { MetricValue } from './figures.ts'

/** Where a vector lies in an array; all of it unless given. */
export interface VectorPlace {
  readonly from?: number
  readonly length?: number
}

/** cos of the angle between the vectors at one place of a and b; 1 for two zero vectors, 0 for one. */
export function cosineOf(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  { from = 0, length = a.length }: VectorPlace = {},
): number {
  let [product, first, second] = [0, 0, 0]
  for (let i = 0; i < length; i++) {
    const [x, y] = [a[from + i] ?? 0, b[from + i] ?? 0]
    product += x * y
    first += x * x
    second += y * y
  }
  const size = Math.sqrt(first) * Math.sqrt(second)
  if (size === 0) return first === second ? 1 : 0
  return Math.max(-1, Math.min(1, product / size))
}

/** The mean of cosines with its 95 % interval. */
export function meanCosine(name: string, cosines: readonly number[]): MetricValue {
  const value = cosines.reduce((sum, cosine) => sum + cosine, 0) / cosines.length
  const { low, high } = meanInterval(cosines)
  return {
    name,
    unit: '',
    value,
    samples: cosines.length,
    interval: { low: Math.max(-1, low), high: Math.min(1, high) },
  }
}
