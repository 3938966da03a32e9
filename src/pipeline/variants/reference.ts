// What the float model answers on the samples that are scored: run once, for all variants and runtimes.
import { throwIfCancelled, type Watch } from '../../base/index.ts'
import { type Batch, feedsOf } from '../../data/index.ts'
import { withoutFloat16 } from '../../math/index.ts'
import { type TextOutput, textOutputOf } from '../../metrics/index.ts'
import type { Model, Shapes } from '../../onnx/index.ts'
import { type Runtime, type Values, withSession } from '../../runtime/index.ts'
import { readBatches, type Scoring } from '../samples.ts'

/** A batch with what the float model made of it. */
export interface ReferenceBatch {
  readonly batch: Batch
  readonly outputs: Values
}

export interface Reference {
  readonly batches: readonly ReferenceBatch[]
  readonly samples: number
  /** One sample, to time on. */
  readonly sample: Values
  /** What the first output is, where the graph tells. */
  readonly text?: TextOutput | undefined
}

/** Bytes of samples and outputs that are kept. */
const KEPT_BYTES = 96e6

/** Runs the float model on the samples, as many as fit in memory. */
export async function referenceOf(
  runtime: Runtime,
  model: Model,
  { dataset, indices }: Scoring,
  shapes: Shapes,
  watch: Watch,
): Promise<Reference> {
  const kept: ReferenceBatch[] = []
  await withSession(runtime, model, { label: 'the float model' }, async (session) => {
    let bytes = 0
    for await (const batch of readBatches(dataset, indices, model, shapes, watch)) {
      throwIfCancelled(watch.signal)
      const outputs = withoutFloat16(await session.run(batch.inputs))
      kept.push({ batch, outputs })
      bytes += bytesOf(outputs) + bytesOf(batch.inputs)
      if (bytes > KEPT_BYTES) break
    }
  })
  return {
    batches: kept,
    samples: kept.reduce((sum, { batch }) => sum + batch.size, 0),
    sample: await feedsOf(dataset, indices[0] ?? 0),
    text: textOutputOf(model),
  }
}

const bytesOf = (values: Values) => Object.values(values).reduce((sum, { data }) => sum + data.byteLength, 0)
