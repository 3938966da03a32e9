// A larger batch of one sample: what it says does not matter, how long it takes does.
import { UsageError } from '../../base/index.ts'
import { joinSamples } from '../../data/index.ts'
import type { Model } from '../../onnx/index.ts'
import { fixedBatch, type Values } from '../../runtime/index.ts'

/**
 * The values of one sample, `batch` times.
 * @throws UsageError for a model that takes another batch alone
 */
export function repeated(model: Model, sample: Values, batch: number): Values {
  const fixed = fixedBatch(model)
  if (fixed !== undefined && fixed !== batch)
    throw new UsageError(`the model takes batches of ${fixed} alone: leave out --batch ${batch}`)
  return joinSamples(Array.from({ length: batch }, () => ({ id: 'a sample', inputs: sample }))).inputs
}
