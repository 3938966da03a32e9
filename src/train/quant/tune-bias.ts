// Bias tuning: the biases of a quantised model trained towards the float model's outputs, without labels.
import { report } from '../../base/index.ts'
import type { Dataset, Sample, Samples } from '../../data/index.ts'
import type { Model } from '../../onnx/index.ts'
import type { QuantizedPair } from '../../quantize/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { outputSqnr } from '../score.ts'
import { type BiasTraining, trainBiases } from './train-biases.ts'

export interface TunedBias {
  readonly model: Model
  /** False: the tuned biases were no better on held-back samples, and the model is the one given. */
  readonly kept: boolean
  /** Mean SQNR of the outputs on the held-back samples in dB, before and after; NaN when nothing was tried. */
  readonly before: number
  readonly after: number
  /** Why nothing was tried, as one clause. */
  readonly left?: string
}

/** Every fourth sample is held back. */
const VALIDATION_EVERY = 4
/** A gain below this, in dB, is none. */
const LEAST_GAIN = 0.1

/**
 * Tunes the biases of a written Q/DQ model (arXiv 1906.03193). Weights and scales stay; integer kernels too. Kept only when the
 * mean SQNR of the outputs on held-back samples gains 0.1 dB. A model whose biases cannot be trained comes back as it is, with
 * the reason.
 */
export async function tuneBias(
  runtime: Runtime,
  pair: QuantizedPair,
  { dataset, indices }: Samples,
  options: BiasTraining,
): Promise<TunedBias> {
  report(options, { step: 'tune bias', done: 0, total: 1 })
  const { quantized } = pair
  const unlabelled = withoutLabels(dataset)
  const validation = indices.filter((_, i) => i % VALIDATION_EVERY === VALIDATION_EVERY - 1)
  const used = indices.filter((_, i) => i % VALIDATION_EVERY !== VALIDATION_EVERY - 1)
  const left = (reason: string): TunedBias => ({
    model: quantized,
    kept: false,
    before: Number.NaN,
    after: Number.NaN,
    left: reason,
  })
  if (validation.length === 0 || used.length === 0) return left('there are too few samples to hold some back')
  const trained = await trainBiases(runtime, pair, { dataset: unlabelled, indices: used }, options)
  if ('left' in trained) return left(trained.left)
  const judges = { dataset: unlabelled, indices: validation }
  const before = await outputSqnr(runtime, pair, judges, options)
  const after = await outputSqnr(runtime, { ...pair, quantized: trained.model }, judges, options)
  const kept = after >= before + LEAST_GAIN
  return { model: kept ? trained.model : quantized, kept, before, after }
}

/** The same samples without labels: they must not decide anything. */
function withoutLabels(dataset: Dataset): Dataset {
  const strip = ({ id, inputs, fixed }: Sample): Sample => ({ id, inputs, ...(fixed && { fixed }) })
  return {
    ...dataset,
    name: dataset.name,
    size: dataset.size,
    hasLabels: false,
    notes: dataset.notes,
    id: (index) => dataset.id(index),
    sample: async (index, signal) => strip(await dataset.sample(index, signal)),
  }
}
