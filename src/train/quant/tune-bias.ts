// Bias tuning: the biases of a quantised model trained towards the float model's scores, without labels.
import { report, type Watch } from '../../base/index.ts'
import type { Dataset, Label, Sample } from '../../data/index.ts'
import type { Model } from '../../onnx/index.ts'
import { fixedBatch, type Runtime, type Values } from '../../runtime/index.ts'
import { finetune, type TuneData, type Tuned } from '../finetune.ts'
import { scoreSquare } from '../loss/terms.ts'
import { qdqTrainee } from './qdq-trainee.ts'
import { biasRates } from './rates.ts'

export interface TuneBiasOptions extends Watch {
  readonly epochs?: number
  readonly batch?: number
  /** Adam's step, as a share of what a layer gives for inputs of size 1. */
  readonly rate?: number
  readonly seed: number
}

export interface TunedBias {
  readonly model: Model
  /** False: the tuned biases were no better on held-back samples, and the model is the one given. */
  readonly kept: boolean
  /** SQNR of the first output on the held-back samples in dB, before and after. */
  readonly before: number
  readonly after: number
  readonly epochs: number
  /** Why nothing was tried. */
  readonly left?: string
}

/** Every fourth sample is held back. */
const HELD = 4
/** A gain below this, in dB, is none. */
const LEAST_GAIN = 0.1

/**
 * Tunes the biases of a written Q/DQ model (arXiv 1906.03193). Weights and scales stay; integer kernels too. Kept only when the
 * SQNR of the first output on held-back samples gains 0.1 dB.
 */
export async function tuneBias(
  runtime: Runtime,
  float: Model,
  quantized: Model,
  dataset: Dataset,
  indices: readonly number[],
  options: TuneBiasOptions,
): Promise<TunedBias> {
  const unlabelled = withoutLabels(dataset)
  const held = indices.filter((_, i) => i % HELD === HELD - 1)
  const used = indices.filter((_, i) => i % HELD !== HELD - 1)
  const nothing = (left: string): TunedBias => ({
    model: quantized,
    kept: false,
    before: Number.NaN,
    after: Number.NaN,
    epochs: 0,
    left,
  })
  if (held.length === 0 || used.length === 0) return nothing('there are too few samples to hold some back')
  const tuned = await trained(
    runtime,
    float,
    quantized,
    { dataset: unlabelled, indices: used, held: { dataset: unlabelled, indices: held } },
    options,
  )
  if (!tuned) return nothing('no layer has a bias')
  const before = tuned.before ?? Number.NaN
  const after = tuned.result.best?.score ?? Number.NaN
  const kept = after >= before + LEAST_GAIN
  return { model: kept ? tuned.model : quantized, kept, before, after, epochs: tuned.result.history.length }
}

/**
 * The biases of a Q/DQ model trained on all samples given, whatever they gain: for callers that judge themselves.
 * Undefined when no layer has a bias.
 */
export async function trainBiases(
  runtime: Runtime,
  float: Model,
  quantized: Model,
  samples: readonly Values[],
  options: TuneBiasOptions,
): Promise<Model | undefined> {
  const dataset: Dataset = {
    name: 'the samples of the ladder',
    size: samples.length,
    hasLabels: false,
    notes: [],
    id: String,
    sample: async (index) => ({ id: String(index), inputs: samples[index] ?? {} }),
  }
  const indices = samples.map((_, i) => i)
  return (await trained(runtime, float, quantized, { dataset, indices }, options))?.model
}

async function trained(
  runtime: Runtime,
  float: Model,
  quantized: Model,
  data: TuneData,
  options: TuneBiasOptions,
): Promise<Tuned | undefined> {
  const { epochs = 10, rate = 0.002, seed, signal, progress } = options
  const batch = fixedBatch(float) ?? Math.min(options.batch ?? 8, data.indices.length)
  report(options, 'tune bias', 0, 1)
  const sample = (await data.dataset.sample(data.indices[0] ?? 0, signal)).inputs
  const loss = [scoreSquare()]
  const trainee = await qdqTrainee(runtime, quantized, sample, { batch, loss, teacher: float, signal })
  if (!trainee) return undefined
  const rateOf = biasRates(trainee.initial)
  return finetune(runtime, { ...trainee, rateOf }, data, {
    epochs,
    batch,
    rate,
    seed,
    teacher: float,
    signal,
    progress,
  })
}

/** The same samples without labels: they must not decide which epoch was the best. */
function withoutLabels(dataset: Dataset): Dataset {
  const strip = ({ id, inputs }: Sample & { readonly label?: Label }): Sample => ({ id, inputs })
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
