// Fine-tuning by low-rank adapters: the weights of linear layers stay, what is added to them is trained.
import { UnsupportedError } from '../../base/index.ts'
import type { Model } from '../../onnx/index.ts'
import { Tensor } from '../../onnx/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import type { Arrays } from '../loop/state.ts'
import { logitsOf } from '../loss/logits.ts'
import type { Parameter } from '../parameters.ts'
import { prepareModel } from '../prepare.ts'
import { rms } from '../quant/rates.ts'
import type { FloatTrainableOptions, TrainableModel } from '../trainable-model.ts'
import { buildTrainingGraph } from '../training-graph.ts'
import { untrainedNotes } from '../untrained.ts'
import { valuesOf, withValues } from '../values.ts'
import { encodeAdapters } from './adapter-file.ts'
import { type Adapter, findAdapters, initialAdapters } from './adapters.ts'
import { addAdapters } from './add-adapters.ts'
import { mergeAdapters } from './merge.ts'

export interface LoraOptions extends Omit<FloatTrainableOptions, 'train' | 'batchNorm' | 'fromScratch'> {
  /** Columns of A and rows of B. */
  readonly rank: number
  /** Of the random A. */
  readonly seed: number
}

/** A trainable model of which adapters are trained. */
export interface LoraTrainableModel extends TrainableModel {
  readonly adapters: readonly Adapter[]
}

/**
 * A float model whose linear layers have adapters of a rank; `exported` merges them.
 * @throws UnsupportedError when an operator on the way has no gradient rule or no layer takes an adapter
 */
export async function loraTrainableModel(
  runtime: Runtime,
  model: Model,
  sample: Values,
  options: LoraOptions,
): Promise<LoraTrainableModel> {
  const prepared = await prepareModel(runtime, model, sample, { ...options, batchNorm: 'frozen' })
  const found = findAdapters(prepared.learned, options.rank, options.selected ?? (() => true))
  if (found.adapters.length + found.whole.length === 0)
    throw new UnsupportedError(
      `there is nothing to adapt: the model has no Gemm or MatMul with a constant float32 matrix in its main graph that --lora and --only select${found.left.length > 0 ? ` (${found.left.join('; ')})` : ''}`,
    )
  const first = initialAdapters(found.adapters, options.seed)
  const whole = found.whole.map(({ node, weightIndex, weight, name }): Parameter => {
    return { name: node.inputs[weightIndex] ?? '', kind: 'weight', dims: weight.shape, node: name }
  })
  const graph = await buildTrainingGraph(prepared, {
    parameters: whole.filter(({ name }, i) => whole.findIndex((other) => other.name === name) === i),
    loss: options.loss,
    transform: (g) => ({ ...addAdapters(g, found.adapters), initial: tensorsOf(found.adapters, first) }),
    ...(options.teacher ? { teacherLogits: logitsOf(options.teacher) } : {}),
  })
  const trained = new Set(graph.parameters.map(({ name }) => name))
  const initial = new Map([
    ...valuesOf(prepared.model, graph.parameters),
    ...[...first].filter(([name]) => trained.has(name)),
  ])
  const adapters = found.adapters.filter(({ up }) => trained.has(up))
  return {
    prepared,
    graph,
    initial,
    adapters,
    adapterFile: (values) => encodeAdapters(prepared.learned, adapters, trained, values),
    exported: (values) => mergeAdapters(withValues(prepared.model, values), found.adapters, values),
    notes: [...untrainedNotes(graph), ...found.left.map((why) => `no adapter for ${why}`)],
  }
}

function tensorsOf(adapters: readonly Adapter[], values: Arrays): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>()
  for (const { inputs, outputs, rank, down, up } of adapters) {
    tensors.set(down, Tensor.from('float32', [inputs, rank], values.get(down) ?? []))
    tensors.set(up, Tensor.from('float32', [rank, outputs], values.get(up) ?? []))
  }
  return tensors
}

/**
 * Learning rates relative to what is adapted. A step of Adam moves all numbers by the rate: B by what changes A·B by that share
 * of the weight, with rows of A that are independent, A by that share of its own size.
 */
export function adapterRates({ prepared, graph, adapters, initial }: LoraTrainableModel): (name: string) => number {
  const factors = new Map<string, number>()
  for (const { name } of graph.parameters) factors.set(name, rms(initial.get(name) ?? []) || 1)
  for (const { weight, down, up, rank } of adapters) {
    const size = rms(prepared.model.graph.initializers.get(weight)?.floats() ?? [])
    factors.set(up, size / (Math.sqrt(rank) * (rms(initial.get(down) ?? []) || 1)) || 1)
  }
  return (name) => factors.get(name) ?? 1
}
