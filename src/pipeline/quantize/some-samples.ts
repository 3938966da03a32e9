// Fewer batches of the same mixture.
import type { SplitBatch } from './calibration-samples.ts'

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
