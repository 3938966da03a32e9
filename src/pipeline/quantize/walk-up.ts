// One walk over the float and the quantised model, layer by layer: biases are corrected on the way, codes rounded if asked.
import { correctBias, roundAndCorrect } from '../../quantize/index.ts'
import type { Candidate } from './candidate.ts'
import { someOf, walkSize } from './some-samples.ts'
import type { SearchContext } from './technique.ts'

/** Samples that bias correction walks with, held-back ones included. */
export const ENOUGH_FOR_MEANS = 24

export interface WalkUp {
  /** Rounds from plain codes: a corrected bias would be corrected twice. */
  readonly rounding: boolean
  /** The judge's samples take part. */
  readonly everything: boolean
}

export async function walkUp(
  candidate: Candidate,
  context: SearchContext,
  { rounding, everything }: WalkUp,
): Promise<Candidate> {
  const { products, seed, spill, signal, progress } = context.options
  const { float, seen } = candidate
  const built = rounding ? await candidate.plain() : await candidate.built()
  const all = (await context.source.samples?.split()) ?? []
  // Means settle with few samples; codes and refitted weights take all there are.
  const split = rounding ? all : someOf(all, walkSize(seen.shapes, ENOUGH_FOR_MEANS))
  const batches = split.map(({ batch }) => batch.inputs)
  const options = {
    shapes: seen.shapes,
    validation: (batch: number) => !everything && split[batch]?.validation === true,
    ...(spill ? { spill } : {}),
    signal,
    progress,
  }
  const pair = { float, quantized: built.model, plan: built.plan }
  const { model, layers, plan } = rounding
    ? await roundAndCorrect(context.runtime, pair, batches, { ...options, products, seed })
    : { plan: built.plan, ...(await correctBias(context.runtime, pair, batches, options)) }
  return context.corrected(candidate, { ...built, model, plan }, layers)
}
