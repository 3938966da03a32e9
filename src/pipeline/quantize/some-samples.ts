// Parts of what was read: single samples of a batch, and fewer batches of the same mixture.
import type { TensorValue } from '../../base/index.ts'
import type { Values } from '../../runtime/index.ts'
import type { SplitBatch } from './calibration-samples.ts'

/** The samples of a batch, one by one. */
export function singles(inputs: Values, size: number): Values[] {
  return Array.from({ length: size }, (_, index) =>
    Object.fromEntries(
      Object.entries(inputs).map(([name, value]) => {
        if (value.dims.length === 0 || size === 1) return [name, value]
        const each = value.data.length / size
        const data = value.data.slice(index * each, (index + 1) * each)
        return [name, { ...value, dims: [1, ...value.dims.slice(1)], data } as TensorValue]
      }),
    ),
  )
}

/** About `count` samples, of those that fit and those that judge in the same proportion. */
export function someOf(split: readonly SplitBatch[], count: number): SplitBatch[] {
  const total = split.reduce((sum, { batch }) => sum + batch.size, 0)
  if (total <= count) return [...split]
  const part = (held: boolean) => {
    const own = split.filter((each) => each.held === held)
    const size = own.reduce((sum, { batch }) => sum + batch.size, 0)
    const chosen: SplitBatch[] = []
    let taken = 0
    for (const each of own) {
      if (taken >= (count * size) / total) break
      chosen.push(each)
      taken += each.batch.size
    }
    return chosen
  }
  return [...part(false), ...part(true)]
}
