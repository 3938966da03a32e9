// The samples of a training: opened, shared out, and looked at as far as the training should not fail at its end.
import { type Dataset, type FixedBatch, joinSamples, readSamples } from '../../data/index.ts'
import type { Model } from '../../onnx/index.ts'
import type { FinetuneRecipe } from '../../recipe/index.ts'
import type { Values } from '../../runtime/index.ts'
import { openSamples, scoringSamples } from '../samples.node.ts'
import type { Scoring, ShareWatch } from '../samples.ts'
import { type TrainingShares, trainingShares } from './shares.ts'

export interface TrainingSamples {
  readonly dataset: Dataset
  readonly shares: TrainingShares
  /** A run of the first sample. */
  readonly sample: Values
  readonly fixed: FixedBatch | undefined
  readonly scoring: Scoring
}

/** @throws InputError when samples cannot be read or scored */
export async function trainingSamples(
  recipe: FinetuneRecipe,
  model: Model,
  { heldBack, judged, ...watch }: ShareWatch,
): Promise<TrainingSamples> {
  const opened = { count: recipe.samples, equalLengths: true, signal: watch.signal }
  const dataset = await openSamples(recipe, model, recipe.data, opened)
  const shares = trainingShares(dataset.size, recipe, heldBack)
  const { inputs: sample, fixed } = joinSamples([await dataset.sample(shares.train[0] ?? 0)])
  const kept = { ...watch, judged, heldBack: shares.report }
  const scoring = await scoringSamples(recipe, model, { dataset, indices: shares.fit }, kept)
  // What cannot be scored is refused before the training, not after it.
  if (recipe.val === undefined) for await (const _ of readSamples(scoring.dataset, scoring.indices, watch));
  return { dataset, shares, sample, fixed, scoring }
}
