// How alike the answers of two runtimes, or of two models, are: as a whole, and sample by sample.
import type { TensorValue } from '../../base/index.ts'
import type { Batch } from '../../data/index.ts'
import { cosineOf } from '../../metrics/index.ts'
import type { Values } from '../../runtime/index.ts'

/** The mean of some numbers; NaN of none. */
export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Lowest cosine of a float output that both have; 1 where there is none. */
export function lowestCosine(reference: Values, got: Values): number {
  let lowest = 1
  for (const [name, { data }] of Object.entries(reference)) {
    const other = got[name]?.data
    if (!(data instanceof Float32Array && other instanceof Float32Array)) continue
    const value = cosineOf(data, other)
    if (!(value >= lowest)) lowest = value
  }
  return lowest
}

/**
 * Cosines of the samples of a batch by the first output: of vectors [batch, width], or of sequences [batch, length, width] by their mean
 * over what the mask lets through. Empty for outputs of another kind.
 */
export function cosinesOf(reference: Values, got: Values, batch: Batch): number[] {
  const [name, value] = Object.entries(reference)[0] ?? []
  const other = got[name ?? '']
  if (!value || !other) return []
  const mask = Object.entries(batch.inputs).find(([input]) => /mask$/i.test(input))?.[1]
  const [own, its] = [pooled(value, mask), pooled(other, mask)]
  if (!own || !its) return []
  const width = value.dims.at(-1) ?? 1
  return Array.from({ length: batch.size }, (_, i) => {
    const part = (list: Float32Array) => list.subarray(i * width, (i + 1) * width)
    return cosineOf(part(own), part(its))
  })
}

/** [batch, width]: vectors as they are, sequences as the mean over what counts. */
function pooled({ data, dims }: TensorValue, mask: TensorValue | undefined): Float32Array | undefined {
  if (!(data instanceof Float32Array) || dims.length < 2 || dims.length > 3) return undefined
  if (dims.length === 2) return data
  const [count = 0, length = 0, width = 0] = dims
  const counts = mask?.dims.join() === [count, length].join() ? mask.data : undefined
  const sums = new Float32Array(count * width)
  for (let row = 0; row < count * length; row++) {
    if (counts && Number(counts[row]) === 0) continue
    const to = Math.floor(row / length) * width
    for (let c = 0; c < width; c++) sums[to + c]! += data[row * width + c]!
  }
  return sums
}
