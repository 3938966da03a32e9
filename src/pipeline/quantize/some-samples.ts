// Fewer batches of the same mixture.
import { elementsOf, isExpensive, type Shapes } from '../../onnx/index.ts'
import type { SplitBatch } from './calibration-samples.ts'

/** Elements of one value that a walk holds for all its samples together: both streams hold it at once. */
const KEPT_ELEMENTS = 64e6
/** Elements of all values that a walk computes, for all its samples together: it takes longer than plain inference. */
const WALKED_ELEMENTS = 1.2e9

/** How many of at most `most` samples walk: fewer where maps are large, which have the more positions to learn from. */
export function walkSize(shapes: Shapes, most: number): number {
  let largest = 1
  for (const { dims } of shapes.values())
    largest = Math.max(
      largest,
      dims.reduce((a, b) => a * b, 1),
    )
  const kept = Math.floor(KEPT_ELEMENTS / largest)
  const walked = Math.floor(WALKED_ELEMENTS / Math.max(1, elementsOf(shapes)))
  return Math.max(Math.min(most, 2), Math.min(most, kept, walked))
}

/** How many walk where nothing is fitted and a layer is only looked at: one where a single inference takes seconds. */
export function glanceSize(shapes: Shapes, most: number): number {
  return isExpensive(shapes) ? Math.min(most, 1) : walkSize(shapes, most)
}

/** About `count` samples, of those that fit and those that judge in the same proportion. */
export function someOf(split: readonly SplitBatch[], count: number): SplitBatch[] {
  const total = split.reduce((sum, { batch }) => sum + batch.size, 0)
  if (total <= count) return [...split]
  const part = (validation: boolean) => {
    const own = split.filter((each) => each.validation === validation)
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
