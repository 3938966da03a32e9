// Training the biases of a Q/DQ model on samples without labels: how fast is tried out on samples that are not trained on.
import { CancelledError, OnnxpressError, UnsupportedError, type Watch } from '../../base/index.ts'
import { channelStatistics } from '../../calibrate/index.ts'
import { type Batch, batches, feedsOf, joinSamples, readSamples, type Samples } from '../../data/index.ts'
import { isOp, type Model, nodeName, type Shapes } from '../../onnx/index.ts'
import { type QuantizedPair, slotsOf } from '../../quantize/index.ts'
import { fixedBatch, observeShapes, type Runtime } from '../../runtime/index.ts'
import { finetune } from '../finetune.ts'
import { type NoiseTerm, outputNoise } from '../loss/output-noise.ts'
import { largestBatch, trainingBytes } from '../memory.ts'
import { wholeRuns } from '../prepare.ts'
import { outputSqnr } from '../score.ts'
import type { TrainableModel } from '../trainable-model.ts'
import { type LayerBias, layerBiases } from './layer-biases.ts'
import { noiseTerms } from './noise-terms.ts'
import { qdqTrainableModel } from './qdq-trainable-model.ts'

export interface BiasTraining extends Watch {
  readonly seed: number
  /** Default: as many as show about 960 samples, 3 to 10. */
  readonly epochs?: number
  /** Samples a step; default 8. */
  readonly batch?: number
  /** Adam's step in deviations of a channel; default: what does best on samples that are not trained on. */
  readonly rate?: number
  /** Bytes that the training may take by its own estimate; default 1.5 GB. */
  readonly memory?: number
}

/** The model with trained biases; or why its biases cannot be trained, as one clause. */
export type TrainedBiases = { readonly model: Model } | { readonly left: string }

/**
 * What is tried, from below: in deep networks a small step learns less of the noise of the samples, in flat ones a large step reaches
 * further. Inner maps in the loss, blended samples and gains of the weights' scales brought nothing that lasted.
 */
const RATES: readonly number[] = [1e-4, 1e-3, 1e-2]
/** A rate that costs so many dB on samples that choose is too large, and so are all larger ones. */
const TOO_LARGE = 0.1
/** Every fifth sample chooses between them, but not between epochs: the best of many by few samples is the luckiest one. */
const CHOOSING = 5
/** Samples that a training sees, the same ones counted again. */
const SEEN = 960
/** Samples that show how much the channels vary. */
const OBSERVED = 16
const MEMORY = 1.5e9

/**
 * Trains the biases of a Q/DQ model towards the outputs of the float model (arXiv 1906.03193): Adam on the noise of all outputs,
 * each in units of what it was, to the end of a cosine. Every fifth sample chooses how. Labels are not looked at.
 */
export async function trainBiases(
  runtime: Runtime,
  pair: QuantizedPair,
  samples: Samples,
  options: BiasTraining,
): Promise<TrainedBiases> {
  try {
    return await tryAll(runtime, pair, samples, options)
  } catch (error) {
    if (!(error instanceof OnnxpressError) || error instanceof CancelledError) throw error
    return { left: reasonOf(error) }
  }
}

/** In words that fit a quantisation: it knows no "--only" and no loss. */
function reasonOf({ message, code, place }: OnnxpressError): string {
  if (code === 'nothing-reached') return 'no bias reaches an output'
  if (code !== 'no-gradient-rule') return message
  return `node "${place.node}" (${place.op}) lies between the biases and the outputs and has no gradient`
}

async function tryAll(
  runtime: Runtime,
  pair: QuantizedPair,
  { dataset, indices }: Samples,
  options: BiasTraining,
): Promise<TrainedBiases> {
  const choosing = indices.length >= 2 * CHOOSING ? indices.filter((_, i) => i % CHOOSING === CHOOSING - 1) : []
  const used = { dataset, indices: indices.filter((index) => !choosing.includes(index)) }
  const { seed, signal, progress, epochs = clamp(Math.ceil(SEEN / used.indices.length), 3, 10) } = options
  const batch = Math.min(options.batch ?? 8, used.indices.length)
  const sample = joinSamples([await dataset.sample(used.indices[0] ?? 0, signal)])
  const observed = { dataset, indices: used.indices.slice(0, OBSERVED) }
  const biases = await observedBiases(runtime, pair.quantized, observed, options)
  if (biases.length === 0) return { left: 'no layer has a bias' }
  const terms = await noiseTerms(runtime, pair, used, options)
  if (terms.length === 0) return { left: 'no output differs from the float model by a finite number' }
  const trainable = await trainableThatFits(runtime, pair, { biases, terms, sample, batch }, options)
  const scoreOf = (quantized: Model) =>
    outputSqnr(runtime, { ...pair, quantized }, { dataset, indices: choosing }, { signal })
  const before = choosing.length > 0 ? await scoreOf(pair.quantized) : Number.NaN
  let best: { model: Model; score: number } | undefined
  for (const rate of options.rate === undefined ? RATES : [options.rate]) {
    const training = {
      epochs,
      batch: wholeRuns(batch, trainable.prepared.batch),
      rate,
      seed,
      teacher: pair.float,
      signal,
      progress,
    }
    const { model } = await finetune(runtime, trainable, used, training)
    if (choosing.length === 0) return { model }
    const score = await scoreOf(model)
    if (!best || score > best.score || Number.isNaN(best.score)) best = { model, score }
    if (score < before - TOO_LARGE) break
  }
  return { model: best?.model ?? pair.quantized }
}

const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high)

/** The biases of the layers, with the deviations of their channels in the quantised model. */
async function observedBiases(
  runtime: Runtime,
  quantized: Model,
  { dataset, indices }: Samples,
  { signal }: Watch,
): Promise<LayerBias[]> {
  const slots = [...slotsOf(quantized).values()].filter(({ bias }) => bias !== undefined)
  if (slots.length === 0) return []
  const inputs = await feedsOf(dataset, indices[0] ?? 0, signal)
  const shapes: Shapes = await observeShapes(runtime, quantized, inputs)
  const products = new Set(quantized.graph.nodes.filter((node) => isOp(node, 'MatMul')).map(nodeName))
  const requests = slots.map(({ name, output }) => {
    const rank = shapes.get(output)?.dims.length ?? 2
    return { value: output, axis: products.has(name) ? rank - 1 : 1 }
  })
  const read = batches(readSamples(dataset, indices, { signal }), 1)
  const watched = { shapes, total: indices.length, signal }
  return layerBiases(quantized, await channelStatistics(runtime, quantized, read, { ...watched, requests }))
}

/** Biases to train, the noise that their training is to lower, a sample, and how many a step takes. */
interface BiasTask {
  readonly biases: readonly LayerBias[]
  readonly terms: readonly NoiseTerm[]
  readonly sample: Batch
  readonly batch: number
}

/**
 * A trainable model of the largest batch that the memory allows, up to a step's; smaller ones make several runs a step.
 * @throws UnsupportedError when not even one sample fits
 */
async function trainableThatFits(
  runtime: Runtime,
  { float, quantized }: QuantizedPair,
  { biases, terms, sample: { inputs, fixed }, batch }: BiasTask,
  { memory = MEMORY, signal }: BiasTraining,
): Promise<TrainableModel> {
  const options = { loss: [outputNoise(terms)], teacher: float, signal, fixed }
  const of = (size: number) => qdqTrainableModel(runtime, { quantized, biases }, inputs, { ...options, batch: size })
  const one = await of(1)
  const fits = largestBatch(one.graph, one.initial, memory)
  if (fits < one.graph.batch) {
    const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`
    throw new UnsupportedError(
      `training them takes about ${megabytes(trainingBytes(one.graph, one.initial, one.graph.batch))} of memory, and ${megabytes(memory)} are there`,
    )
  }
  const size = Math.min(batch, fits)
  // The loss takes rows of samples: values without them, as recurrent states, go one by one.
  const inRows = terms.every(({ own }) => one.prepared.sampleShapes.get(own)?.batchAxis === 0)
  return fixedBatch(float) === undefined && inRows && size > 1 ? of(size) : one
}
