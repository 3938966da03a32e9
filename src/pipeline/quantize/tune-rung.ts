// The rung of tuned biases: trained end to end, judged on more samples than elsewhere.
import type { Model } from '../../onnx/index.ts'
import { type TrainedBiases, trainBiases } from '../../train/index.ts'
import type { Climb } from './climb.ts'
import { isBetter, Judge } from './judge.ts'
import { gain } from './rungs.ts'
import type { Standing } from './standing.ts'
import { type TuningSamples, tuningSamples } from './tuning-samples.ts'

/** Biases trained towards the float outputs; kept when they are better on what judges, which are more samples than elsewhere. */
export async function tuneRung(climb: Climb, standing: Standing, given: Model): Promise<Standing> {
  climb.step('tuned')
  const { signal } = climb.options
  const samples = await tuningSamples(climb.samples, false)
  const trained = await trainUp(climb, standing, samples)
  if ('left' in trained) {
    climb.rungs.leave('tuned', trained.left)
    return standing
  }
  const built = { ...standing.built, model: trained.model }
  const tuned = { ...standing, built, score: await climb.score(built) }
  const judge = await Judge.of(climb.runtime, given, samples.judges)
  const before = await judge.score(standing.built.model, { signal })
  const after = await judge.score(built.model, { signal })
  const kept = climb.options.keep === 'always' || isBetter(after, before)
  climb.rungs.add(
    'tuned',
    kept,
    tuned.score,
    `${gain({ score: after }, { score: before })} on ${judge.samples} samples`,
  )
  return kept ? tuned : standing
}

/** Trains the biases of a standing; what was left says why. */
export function trainUp(
  climb: Climb,
  { float, built }: Standing,
  { dataset, indices }: TuningSamples,
): Promise<TrainedBiases> {
  const { seed, signal, progress, memory } = climb.options
  return trainBiases(climb.runtime, float, built.model, dataset, indices, {
    seed,
    signal,
    progress,
    ...(memory === undefined ? {} : { memory }),
  })
}
