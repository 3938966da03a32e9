// The rungs of corrected biases and of rounded codes: one walk over the float and the quantised model.
import { correctBias, type LayerCorrection, roundAndCorrect } from '../../quantize/index.ts'
import type { Built } from './build.ts'
import type { Climb } from './climb.ts'
import { someOf, walkSize } from './some-samples.ts'
import type { Standing } from './standing.ts'

/** Samples that bias correction walks with, held-back ones included. */
const ENOUGH_FOR_MEANS = 24

/** Biases corrected, with codes rounded if asked, and scored. */
export async function correctRung(
  climb: Climb,
  standing: Standing,
  rounding: boolean,
): Promise<{ standing: Standing; corrections: readonly LayerCorrection[] }> {
  climb.step(rounding ? 'rounded' : 'corrected')
  const { built, corrections } = await walkUp(climb, standing, rounding, false)
  return { standing: { ...standing, built, score: await climb.score(built) }, corrections }
}

/** One walk over float and quantised model; `everything`: the judge's samples take part. */
export async function walkUp(
  climb: Climb,
  { float, seen, built }: Standing,
  rounding: boolean,
  everything: boolean,
): Promise<{ built: Built; corrections: readonly LayerCorrection[] }> {
  const { products, seed, spill, signal, progress } = climb.options
  const all = await climb.samples.split()
  // Means settle with few samples; codes and refitted weights take all there are.
  const split = rounding ? all : someOf(all, walkSize(seen.shapes, ENOUGH_FOR_MEANS))
  const batches = split.map(({ batch }) => batch.inputs)
  const options = {
    shapes: seen.shapes,
    held: (batch: number) => !everything && split[batch]?.held === true,
    ...(spill ? { spill } : {}),
    signal,
    progress,
  }
  const { model, layers, plan } = rounding
    ? await roundAndCorrect(climb.runtime, float, built.model, built.plan, batches, {
        ...options,
        products,
        seed,
      })
    : { plan: built.plan, ...(await correctBias(climb.runtime, float, built.model, batches, options)) }
  return { built: { ...built, model, plan }, corrections: layers }
}

/** Rounds and corrects from plain codes: a corrected bias would be corrected twice. */
export async function roundRung(
  climb: Climb,
  standing: Standing,
): Promise<{ standing: Standing; corrections: readonly LayerCorrection[] }> {
  return correctRung(climb, { ...standing, built: standing.plain }, true)
}
