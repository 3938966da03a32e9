// The trainable form of a model: its gradient, for as many samples as a step takes and memory allows.
import { UsageError, type Watch } from '../../base/index.ts'
import { batches, chooseSamples, readSamples } from '../../data/index.ts'
import type { Model } from '../../onnx/index.ts'
import { selector, targetOf } from '../../quantize/index.ts'
import type { FinetuneRecipe } from '../../recipe/index.ts'
import { fixedBatch, type Runtime } from '../../runtime/index.ts'
import {
  adapterRates,
  type FloatTrainableOptions,
  floatTrainableModel,
  loraTrainableModel,
  quantTrainableModel,
  relativeRates,
  type TrainableModel,
} from '../../train/index.ts'
import { walkSize } from '../quantize/some-samples.ts'
import { ENOUGH_FOR_MEANS } from '../quantize/walk-up.ts'
import type { ChosenLoss } from './loss.node.ts'
import { refuseTooLarge } from './memory.node.ts'
import type { TrainingSamples } from './samples.node.ts'
import { ratesOf } from './settings.ts'

/** Every fourth batch of those that correct biases takes no part, and tells whether a correction holds for others. */
const VALIDATION_EVERY = 4

/** What is trained, on what, towards what. */
export interface Training {
  readonly model: Model
  /** Where the loss asks one. */
  readonly teacher: Model | undefined
  readonly samples: TrainingSamples
  readonly loss: ChosenLoss
}

/** What both kinds of trainable models are told. */
type Common = Omit<FloatTrainableOptions, 'batchNorm' | 'fromScratch'>

/**
 * A model in its trainable form.
 * @throws RefusedError when memory would not do, UsageError, UnsupportedError when there is no gradient
 */
export async function trainableOf(
  runtime: Runtime,
  recipe: FinetuneRecipe,
  training: Training,
  watch: Watch,
): Promise<TrainableModel> {
  const { model, samples, loss, teacher } = training
  if (recipe.qat && recipe.batchNorm === 'training')
    throw new UsageError(
      '--qat trains the layers with BatchNorm folded into them, on the grids that the file will have; leave --batch-norm training out, or train the float model with it first',
    )
  refuseBesideLora(recipe)
  const selected = recipe.only.length > 0 ? selector(recipe.only, model.graph.nodes, '--only') : () => true
  const make = (batch: number): Promise<TrainableModel> => {
    const common = { train: recipe.train, selected, batch, fixed: samples.fixed, loss: loss.terms, teacher }
    const options = { ...common, label: recipe.model, ...watch }
    if (recipe.lora !== undefined) return adapted(runtime, recipe, training, { ...options, rank: recipe.lora })
    return recipe.qat ? quantized(runtime, recipe, training, options) : float(runtime, recipe, training, options)
  }
  // A graph for one sample tells what a batch will take, before anything of that size is run.
  const single = await make(1)
  refuseTooLarge(single.graph, recipe, single.initial)
  return fixedBatch(model) === undefined && recipe.batch > 1 ? make(recipe.batch) : single
}

async function float(
  runtime: Runtime,
  recipe: FinetuneRecipe,
  { model, samples, loss }: Training,
  options: Common,
): Promise<TrainableModel> {
  const trainable = await floatTrainableModel(runtime, model, samples.sample, {
    ...options,
    batchNorm: recipe.batchNorm ?? (recipe.fromScratch ? 'training' : 'frozen'),
    fromScratch: recipe.fromScratch ? recipe.seed : undefined,
  })
  if (!ratesOf(recipe, loss).relative) return trainable
  return {
    ...trainable,
    rateOf: relativeRates(trainable.prepared.model, trainable.graph.parameters, trainable.initial),
  }
}

/** @throws UsageError for options that say otherwise what is trained */
function refuseBesideLora({ lora, qat, fromScratch, batchNorm, train }: FinetuneRecipe): void {
  if (lora === undefined) return
  const other = [
    ...(qat ? ['--qat'] : []),
    ...(fromScratch ? ['--from-scratch'] : []),
    ...(batchNorm === 'training' ? ['--batch-norm training'] : []),
    ...(train === 'all' ? [] : [`--train ${train}`]),
  ]
  if (other.length > 0)
    throw new UsageError(
      `--lora trains adapters of finished layers alone; leave ${other.join(' and ')} out (--only says which layers get one)`,
    )
}

async function adapted(
  runtime: Runtime,
  recipe: FinetuneRecipe,
  { model, samples, loss }: Training,
  options: Common & { readonly rank: number },
): Promise<TrainableModel> {
  const trainable = await loraTrainableModel(runtime, model, samples.sample, { ...options, seed: recipe.seed })
  return ratesOf(recipe, loss).relative ? { ...trainable, rateOf: adapterRates(trainable) } : trainable
}

function quantized(
  runtime: Runtime,
  recipe: FinetuneRecipe,
  { model, samples, loss }: Training,
  options: Common,
): Promise<TrainableModel> {
  const { dataset, shares, sample } = samples
  const { train } = shares
  const calibration = chooseSamples(train.length, Math.min(recipe.calibrationSamples, train.length)).map(
    (place) => train[place] ?? 0,
  )
  return quantTrainableModel(runtime, model, sample, {
    ...options,
    relativeRates: ratesOf(recipe, loss).relative,
    weightBits: recipe.weightBits,
    activationBits: recipe.activationBits,
    storage: recipe.weightStorage,
    quantize: {
      target: targetOf(recipe.target),
      weights: recipe.weights,
      exclude: recipe.exclude,
      ...(recipe.keep8bit.length > 0 ? { keep8bit: recipe.keep8bit } : {}),
    },
    calibration: (prepared) => {
      const read = readSamples(dataset, calibration, { signal: options.signal })
      return { batches: batches(read, fixedBatch(prepared.model) ?? 8), total: calibration.length }
    },
    correction: (prepared) => {
      const few = chooseSamples(calibration.length, walkSize(prepared.sampleShapes, ENOUGH_FOR_MEANS))
      const chosen = few.map((place) => calibration[place] ?? 0)
      const each = fixedBatch(prepared.model) ?? 1
      return {
        batches: batches(readSamples(dataset, chosen, { signal: options.signal }), each),
        validation: (batch) =>
          chosen.length >= VALIDATION_EVERY * each && batch % VALIDATION_EVERY === VALIDATION_EVERY - 1,
      }
    },
  })
}
