// What is trained, as one object: the graph, its first values, and how trained values become a model again.
import type { Watch } from '../base/index.ts'
import type { FixedBatch } from '../data/index.ts'
import type { Model, Node } from '../onnx/index.ts'
import type { Plan } from '../quantize/index.ts'
import type { Runtime, Values } from '../runtime/index.ts'
import type { Arrays } from './loop/state.ts'
import { logitsOf } from './loss/logits.ts'
import type { LossTerm } from './loss/terms.ts'
import { findParameters, type TrainWhat } from './parameters.ts'
import { type BatchNormMode, type Prepared, prepareModel, trainedBatchNorms, withRunningStatistics } from './prepare.ts'
import { buildTrainingGraph, type TrainingGraph } from './training-graph.ts'
import { untrainedNotes } from './untrained.ts'
import { initialValues, valuesOf, withValues } from './values.ts'

export interface TrainableModel {
  readonly prepared: Prepared
  readonly graph: TrainingGraph
  readonly initial: Arrays
  /** The model with trained values, as it would be written. */
  readonly exported: (values: Arrays) => Model
  /** Of low-rank adapters: these alone, as the bytes of a file. */
  readonly adapterFile?: (values: Arrays) => Uint8Array
  /** Learning rate of an array, as a factor. */
  readonly rateOf?: (name: string) => number
  readonly afterStep?: (values: Map<string, Float32Array>) => void
  /** The grids that a quantised trainable model began with. */
  readonly plan?: Plan
  readonly notes: readonly string[]
}

export interface FloatTrainableOptions extends Watch {
  readonly train: TrainWhat
  readonly selected?: (node: Node) => boolean
  readonly batch: number
  readonly fixed?: FixedBatch | undefined
  readonly batchNorm: BatchNormMode
  readonly loss: readonly LossTerm[]
  /** Forget what the model knows: random weights by this seed. */
  readonly fromScratch?: number | undefined
  /** The model whose values the loss compares with; its scores may have another name. */
  readonly teacher?: Model | undefined
  readonly label?: string
}

/**
 * A float model to train.
 * @throws UnsupportedError when an operator on the way has no gradient rule or there is nothing to train
 */
export async function floatTrainableModel(
  runtime: Runtime,
  model: Model,
  sample: Values,
  options: FloatTrainableOptions,
): Promise<TrainableModel> {
  const prepared = await prepareModel(runtime, model, sample, { ...options, biases: options.train === 'biases' })
  const parameters = findParameters(
    options.train === 'biases' ? prepared.model : prepared.learned,
    options.train,
    options.selected ?? (() => true),
  )
  const graph = await buildTrainingGraph(prepared, {
    parameters,
    loss: options.loss,
    ...(options.teacher ? { teacherLogits: logitsOf(options.teacher) } : {}),
  })
  const batchNorms = trainedBatchNorms(prepared.model)
  const initial =
    options.fromScratch === undefined
      ? valuesOf(prepared.model, graph.parameters, batchNorms)
      : initialValues(prepared.model, graph.parameters, batchNorms, options.fromScratch)
  return {
    prepared,
    graph,
    initial,
    exported: (values) => withRunningStatistics(withValues(prepared.model, values)),
    notes: untrainedNotes(graph),
  }
}
