// Times that choices depend on, kept for the next run: who has the same times decides the same.
import type { Model } from '../../onnx/index.ts'
import { measureModels, type Runtime, type Values } from '../../runtime/index.ts'
import type { EvaluationCache } from '../../search/index.ts'

export const TIMING = { warmups: 5, rounds: 300, limitMs: 600 }

/** Time of a model as a share of another's, measured as in the report: what is promised is what is told. */
export async function timeShare(runtime: Runtime, whole: Model, model: Model, sample: Values): Promise<number> {
  const { before, after } = await measureModels(runtime, [whole, model], sample, TIMING)
  return after.medianMs / before.medianMs
}

/** A time of an earlier run, or one that is taken now and kept. */
export async function remembered(
  cache: EvaluationCache,
  name: string,
  measure: () => Promise<number>,
): Promise<number> {
  const known = await cache.get(name)
  if (typeof known === 'number') return known
  const time = await measure()
  await cache.put(name, time)
  return time
}
