// How far a changed model's outputs are from the original's.
import { SqnrAccumulator } from '../math/index.ts'
import type { Model } from '../onnx/index.ts'
import { type Runtime, type Values, withSession } from '../runtime/index.ts'

/** Lowest SQNR of a float output of `changed` against `model` on batches, in dB; null when all are equal. */
export async function lowestSqnrDb(
  runtime: Runtime,
  model: Model,
  changed: Model,
  samples: readonly Values[],
): Promise<number | null> {
  const sums = new Map<string, SqnrAccumulator>()
  await withSession(runtime, model, {}, (first) =>
    withSession(runtime, changed, {}, async (second) => {
      for (const feeds of samples) {
        const [a, b] = [await first.run(feeds), await second.run(feeds)]
        for (const [name, { data }] of Object.entries(a)) {
          if (!(data instanceof Float32Array)) continue
          const sum = sums.get(name) ?? new SqnrAccumulator()
          sums.set(name, sum)
          sum.add(data, b[name]?.data instanceof Float32Array ? (b[name].data as Float32Array) : [])
        }
      }
    }),
  )
  const all = [...sums.values()].map(({ db }) => db).filter((db) => db !== null)
  return all.length === 0 ? null : all.reduce((least, db) => (db < least ? db : least))
}
