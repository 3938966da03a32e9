// Quantisation-aware training: the float model under the plan of `quantize`, weights, biases and scales trained together.
import type { Watch } from '../../base/index.ts'
import { calibrate } from '../../calibrate/index.ts'
import type { Batch, FixedBatch } from '../../data/index.ts'
import type { Model, Node } from '../../onnx/index.ts'
import {
  insertQdq,
  layersIn,
  makePlan,
  type Plan,
  place,
  type QuantizeOptions,
  quantizeDefaults,
  tensorsToObserve,
  weightBitsOf,
} from '../../quantize/index.ts'
import { type Runtime, typesOf, type Values } from '../../runtime/index.ts'
import type { Arrays } from '../loop/state.ts'
import { logitsOf } from '../loss/logits.ts'
import type { LossTerm } from '../loss/terms.ts'
import { findParameters, type TrainWhat } from '../parameters.ts'
import { type Prepared, prepareModel, withConstants } from '../prepare.ts'
import type { TrainableModel } from '../trainable-model.ts'
import { buildTrainingGraph } from '../training-graph.ts'
import { TRAINING_OPSET } from '../training-opset.ts'
import { untrainedNotes } from '../untrained.ts'
import { valuesOf } from '../values.ts'
import { biasRoom } from './bias-room.ts'
import { capCodes } from './cap-codes.ts'
import { type CorrectionSamples, correctedBiases } from './corrected-start.ts'
import { fakePlan } from './fake-plan.ts'
import { type ActivationBits, largestScale, scaleNames, spanOf, trainedPlan, withFourBits } from './grids.ts'
import { packInt4 } from './pack-int4.ts'
import { relativeRates, scaleRates } from './rates.ts'
import { withNarrowScales } from './weight-scales.ts'

export interface QuantTrainableOptions extends Watch {
  readonly train: TrainWhat
  readonly selected?: (node: Node) => boolean
  readonly batch: number
  readonly fixed?: FixedBatch | undefined
  readonly loss: readonly LossTerm[]
  readonly teacher?: Model | undefined
  /** 2 to 8; fewer than 8 are codes of int8 that use a part of its range. */
  readonly weightBits: number
  readonly activationBits: ActivationBits
  /** Where weights of at most 4 bits are stored; int4 halves the file, and its layers run in float. */
  readonly storage?: 'int8' | 'int4'
  /** As in `quantize`: target, grid of the weights, layers that keep 8 bits, nodes that stay float. */
  readonly quantize?: Partial<Pick<QuantizeOptions, 'target' | 'weights' | 'keep8bit' | 'exclude' | 'only'>>
  /** Are learning rates shares of the size of each tensor (the default), or those of the weights as they are? */
  readonly relativeRates?: boolean
  /** Samples to set the first ranges with. */
  readonly calibration: (prepared: Prepared) => { readonly batches: AsyncIterable<Batch>; readonly total: number }
  /** Samples to correct the biases with that training starts from; absent: it starts from those of the model. */
  readonly correction?: (prepared: Prepared) => CorrectionSamples
  readonly label?: string
}

/** A trainable model whose export is the Q/DQ file with the trained grids. */
export async function quantTrainableModel(
  runtime: Runtime,
  model: Model,
  sample: Values,
  options: QuantTrainableOptions,
): Promise<TrainableModel> {
  const { activationBits } = options
  const { target } = { ...quantizeDefaults, ...options.quantize }
  const plain = await prepareModel(runtime, model, sample, {
    ...options,
    batchNorm: 'frozen',
    biases: options.correction !== undefined,
    forQuantization: activationBits === 16 || options.storage === 'int4' ? target.opsets.wide : TRAINING_OPSET,
  })
  const plan = await planFor(runtime, plain, options)
  const prepared = await withCorrectedStart(runtime, plain, plan, options)
  const parameters = findParameters(prepared.model, options.train, options.selected ?? (() => true))
  const graph = await buildTrainingGraph(prepared, {
    parameters,
    loss: options.loss,
    transform: (g) => fakePlan(g, { model: prepared.model, plan, activationBits, batch: prepared.batch }),
    ...(options.teacher ? { teacherLogits: logitsOf(options.teacher) } : {}),
  })
  const trained = new Set(graph.parameters.map(({ name }) => name))
  const scales = [...scalesOf(plan)].filter(([name]) => trained.has(name))
  const initial = new Map([...valuesOf(prepared.model, graph.parameters), ...scales])
  const makeRoom = biasRoom(prepared.model, plan)
  makeRoom(initial)
  const limits = new Map(
    [...plan.activations].map(([value, grid]) => [
      scaleNames.activation(value),
      largestScale(plan, value, spanOf(grid, activationBits)),
    ]),
  )
  return {
    prepared,
    graph,
    initial,
    exported: (values) => writtenWith(prepared.model, plan, values, options),
    rateOf: ((options.relativeRates ?? true) ? relativeRates : scaleRates)(prepared.model, graph.parameters, initial),
    afterStep: (values) => {
      keepScales(values, initial, limits)
      makeRoom(values)
    },
    plan,
    notes: untrainedNotes(graph),
  }
}

async function withCorrectedStart(
  runtime: Runtime,
  prepared: Prepared,
  plan: Plan,
  options: QuantTrainableOptions,
): Promise<Prepared> {
  if (!options.correction) return prepared
  const quantized = writtenWith(prepared.model, plan, new Map(), { activationBits: options.activationBits })
  const samples = options.correction(prepared)
  const pair = { float: prepared.model, quantized, shapes: prepared.sampleShapes }
  return withConstants(prepared, await correctedBiases(runtime, pair, samples, options))
}

/** The Q/DQ file that trained values make. */
function writtenWith(
  model: Model,
  plan: Plan,
  values: Arrays,
  { activationBits, storage }: Pick<QuantTrainableOptions, 'activationBits' | 'storage'>,
): Model {
  const after = trainedPlan(model, plan, values)
  const written = insertQdq(after.model, after.plan)
  const capped = activationBits === 4 ? capCodes(written, after.plan) : written
  return storage === 'int4' ? packInt4(capped) : capped
}

async function planFor(runtime: Runtime, prepared: Prepared, options: QuantTrainableOptions): Promise<Plan> {
  const { model, sampleShapes } = prepared
  const { activationBits, weightBits } = options
  const settings: QuantizeOptions = {
    ...quantizeDefaults,
    keep8bit: ['none'],
    ...options.quantize,
    weightBits: weightBits === 8 ? 8 : 4,
    activationType: activationBits === 16 ? 'uint16' : 'uint8',
  }
  const placement = place(model, settings, typesOf(model))
  const requests = tensorsToObserve(placement).map(({ value, bounds }) => ({
    value,
    histogram: activationBits === 4,
    nonNegative: bounds.low >= 0 && activationBits !== 4,
  }))
  const { batches, total } = options.calibration(prepared)
  const statistics =
    requests.length === 0
      ? new Map()
      : await calibrate(runtime, model, batches, { ...options, requests, shapes: sampleShapes, total })
  const bits = new Map(
    [...weightBitsOf(layersIn(model, placement.layers), model.graph.nodes, settings)].map(([name, given]) => [
      name,
      given === 8 ? 8 : weightBits,
    ]),
  )
  const plan = withNarrowScales(model, makePlan(model, placement, { statistics, options: settings, weightBits: bits }))
  return activationBits === 4 ? withFourBits(plan, statistics) : plan
}

function scalesOf(plan: Plan): Map<string, Float32Array> {
  const scales = new Map<string, Float32Array>()
  for (const [value, { params }] of plan.activations)
    if (plan.placement.tensors.get(value)?.gridOf === value)
      scales.set(scaleNames.activation(value), params.scale.slice())
  for (const [name, params] of plan.weights) scales.set(scaleNames.weight(name), params.scale.slice())
  return scales
}

/** Scales stay above a hundredth of where they began, and activations inside what produces them. */
function keepScales(
  values: Map<string, Float32Array>,
  initial: ReadonlyMap<string, Float32Array>,
  limits: ReadonlyMap<string, number>,
): void {
  for (const [name, array] of values) {
    if (!name.startsWith('train/')) continue
    const first = initial.get(name)
    const limit = limits.get(name) ?? Number.POSITIVE_INFINITY
    for (let i = 0; i < array.length; i++) array[i] = Math.min(Math.max(array[i] ?? 0, (first?.[i] ?? 0) / 100), limit)
  }
}
