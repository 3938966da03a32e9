// Tuned biases: trained end to end towards the float outputs, judged on more samples than elsewhere.
import { type TrainedBiases, trainBiases } from '../../../train/index.ts'
import type { Candidate } from '../candidate.ts'
import { isBetter, Judge } from '../judge.ts'
import { gain } from '../rows.ts'
import type { SearchContext, Technique } from '../technique.ts'
import { type TuningSamples, tuningSamples } from '../tuning-samples.ts'

export const tuneBias: Technique = {
  name: 'tune-bias',
  row: 'tuned',
  writesBiases: true,
  async attempt(candidate, context) {
    const { samples } = context.source
    if (!samples) return undefined
    const { signal, keep } = context.options
    const given = await tuningSamples(samples, false)
    const trained = await train(candidate, context, given)
    if ('left' in trained) return { leftOut: trained.left }
    const built = await candidate.built()
    const judge = await Judge.of(context.runtime, context.reference, given.judges, context.options.written)
    const before = await judge.score(built.model, { signal })
    const after = await judge.score(trained.model, { signal })
    return {
      candidate: context.corrected(candidate, { ...built, model: trained.model }, candidate.corrections),
      kept: keep === 'always' || isBetter(after, before),
      gained: `${gain(after, before)} on ${judge.samples} samples`,
    }
  },
  /** New codes need new biases: what was trained for the ones before is gone with them. */
  async relearn(candidate, context) {
    const { samples } = context.source
    if (!samples || !candidate.applied.includes('optimize-rounding')) return candidate
    const trained = await train(candidate, context, await tuningSamples(samples, true))
    if ('left' in trained) return candidate
    return context.corrected(candidate, { ...(await candidate.built()), model: trained.model }, candidate.corrections)
  },
}

async function train(candidate: Candidate, context: SearchContext, samples: TuningSamples): Promise<TrainedBiases> {
  const { seed, signal, progress, memory } = context.options
  const { model: quantized } = await candidate.built()
  return trainBiases(context.runtime, { float: candidate.float, quantized }, samples, {
    seed,
    signal,
    progress,
    ...(memory === undefined ? {} : { memory }),
  })
}
