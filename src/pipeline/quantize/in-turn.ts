// Two models of which only one fits in memory: each runs the samples while the other is closed.
import { report, throwIfCancelled } from '../../base/index.ts'
import type { Batch } from '../../data/index.ts'
import { type CompareOptions, Comparer, type Comparison } from '../../metrics/index.ts'
import type { Model } from '../../onnx/index.ts'
import { type Latency, measureLatency, type Runtime, type Values, withSession } from '../../runtime/index.ts'

/** Bytes of samples and outputs that are kept between the two models. */
const KEPT_BYTES = 512e6

/** A model and its name in messages. */
export interface Named {
  readonly model: Model
  readonly label: string
  /** Runs as it stands, without kernels for its integers. */
  readonly simulate?: boolean
}

/** Compares two models that are never open at once; outputs of the first are kept for as many samples as memory allows. */
export async function compareInTurn(
  runtime: Runtime,
  [before, after]: readonly [Named, Named],
  batches: AsyncIterable<Batch>,
  { total, step = 'compare', metric, text, ...watch }: CompareOptions,
): Promise<Comparison> {
  const comparer = new Comparer(metric, text)
  const source = batches[Symbol.asyncIterator]()
  let done = 0
  for (let ended = false; !ended; ) {
    const kept: { readonly batch: Batch; readonly outputs: Values }[] = []
    await withSession(runtime, before.model, { label: before.label }, async (session) => {
      for (let bytes = 0; bytes < KEPT_BYTES; ) {
        throwIfCancelled(watch.signal)
        const next = await source.next()
        ended = next.done === true
        if (next.done) return
        report(watch, { step, done, total })
        const outputs = await session.run(next.value.inputs)
        kept.push({ batch: next.value, outputs })
        bytes += bytesOf(outputs) + bytesOf(next.value.inputs)
        done += next.value.size / 2
      }
    })
    if (kept.length === 0) break
    await withSession(
      runtime,
      after.model,
      { label: after.label, simulate: after.simulate === true },
      async (session) => {
        for (const { batch, outputs } of kept) {
          throwIfCancelled(watch.signal)
          report(watch, { step, done, total })
          comparer.add(outputs, await session.run(batch.inputs), batch)
          done += batch.size / 2
        }
      },
    )
  }
  report(watch, { step, done: total, total })
  return comparer.result()
}

/** Latencies of two models that are never open at once. */
export async function latencyInTurn(
  runtime: Runtime,
  models: readonly [Named, Named],
  sample: Values,
): Promise<Latency[]> {
  const found: Latency[] = []
  for (const { model, label } of models)
    found.push(
      ...(await withSession(runtime, model, { label }, (session) => measureLatency(runtime, [session], sample))),
    )
  return found
}

const bytesOf = (values: Values) =>
  Object.values(values).reduce((sum, { data }) => sum + (Array.isArray(data) ? data.length : data.byteLength), 0)
