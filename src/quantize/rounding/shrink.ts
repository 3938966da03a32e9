// A covariance from few samples, its off-diagonal elements shrunk by how uncertain they are.
import type { Matrix } from '../../math/index.ts'

/**
 * How much of the correlations is noise of the samples: the intensity of Ledoit and Wolf's shrinkage towards the diagonal
 * (J. Multivariate Analysis 88, 2004), from two independent parts of the samples instead of from every sample, since
 * positions of one sample are not independent. 0: none, 1: all of it.
 * @param share share of the samples in `second`
 */
export function noiseOfCorrelations(whole: Matrix, first: Matrix, second: Matrix, share: number): number {
  const n = whole.columns
  let noise = 0
  let energy = 0
  for (let i = 0; i < n; i++)
    for (let j = 0; j < i; j++) {
      const square = whole.data[i * n + i]! * whole.data[j * n + j]!
      if (!(square > 0)) continue
      const at = i * n + j
      noise += (first.data[at]! - second.data[at]!) ** 2 / square
      energy += whole.data[at]! ** 2 / square
    }
  // Var(first − second) = σ²/N · 1/(share·(1 − share)), of which the whole has σ²/N.
  return energy > 0 ? Math.min(1, (share * (1 - share) * noise) / energy) : 0
}

/** The matrix with its off-diagonal elements times 1 − intensity. */
export function shrinkToDiagonal({ rows, columns, data }: Matrix, intensity: number): Matrix {
  const kept = 1 - intensity
  return { rows, columns, data: data.map((x, k) => (k % (columns + 1) === 0 ? x : x * kept)) }
}
