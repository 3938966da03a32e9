// Samples for tests: labelled noise in three maps of 8 × 8.
import type { Dataset } from '../../src/data/index.ts'
import { randomStream } from '../../src/math/index.ts'

export const size = 32
export const dataset: Dataset = {
  name: 'noise',
  size,
  hasLabels: true,
  notes: [],
  id: String,
  sample: async (index) => {
    const data = Float32Array.from({ length: 3 * 64 }, randomStream(index, 'noise').normal)
    return { id: String(index), inputs: { x: { dtype: 'float32', dims: [1, 3, 8, 8], data } }, label: index % 3 }
  },
}
export const indices: readonly number[] = Array.from({ length: size }, (_, i) => i)
