// Making a model ready for its gradient: one batch size, newest opset, explicit pads, normal forms.
import { concatValues, type TensorValue, UnsupportedError, type Watch } from '../base/index.ts'
import type { FixedBatch } from '../data/index.ts'
import {
  floatAttribute,
  GraphEditor,
  isOp,
  type Model,
  opsetOf,
  type Shapes,
  Tensor,
  withoutShapes,
  withTensors,
} from '../onnx/index.ts'
import {
  type AppliedRewrite,
  applyRewrites,
  convertOpsetTo,
  float32Inside,
  foldBatchNorm,
  foldConstants,
  nameNodes,
  passNamed,
  workingPasses,
} from '../rewrite/index.ts'
import type { Runtime, Values } from '../runtime/index.ts'
import { expandFused, hasFused } from './expand/expand-fused.ts'
import { withKnownSizes } from './expand/known-sizes.ts'
import { withBiases } from './parameters.ts'
import { TRAINING_OPSET } from './training-opset.ts'
import { writtenOut } from './write-out.ts'

export type BatchNormMode = 'frozen' | 'training'

export interface PrepareOptions extends Watch {
  /** Samples in a run, where the model's batch is free. */
  readonly batch: number
  /** The model's own batch, and how samples are joined for it. Without it a sample of a fixed model is a whole run. */
  readonly fixed?: FixedBatch | undefined
  /** frozen: folded into the layers; training: batch statistics, running statistics are updated. */
  readonly batchNorm: BatchNormMode
  /** Only what the gradient cannot do without: a Q/DQ model keeps its nodes. */
  readonly asItIs?: boolean
  /** All passes that a quantisation applies, so that it finds the model in the same form; to this opset. */
  readonly forQuantization?: number | undefined
  /** Give every layer with a place for a bias one, so that biases can correct it. */
  readonly biases?: boolean
  readonly label?: string
}

export interface Prepared {
  /** The float model in the form that is trained and exported; its batch is free where it was. */
  readonly model: Model
  /** The same with If, Loop and fused operators written out, as the gradient needs it. */
  readonly forward: Model
  /** Where what can be trained is looked for: `model`, its fused operators in primitive ones. */
  readonly learned: Model
  /** Nodes that could not be written out → why. */
  readonly left: ReadonlyMap<string, string>
  /** Shapes of the forward model for a run of `batch` samples. */
  readonly shapes: Shapes
  readonly batch: number
  readonly fixed?: FixedBatch
  /** Shapes for one sample, with the batch axes. */
  readonly sampleShapes: Shapes
  /** Sizes of the inputs for a run. */
  readonly inputDims: ReadonlyMap<string, readonly number[]>
  readonly rewrites: readonly AppliedRewrite[]
}

/**
 * Rewrites a model for training and observes its shapes for the batch size.
 * @param sample what one sample is fed as, in a model of a fixed batch so many times
 * @throws UnsupportedError when it is not float32 or cannot be converted to opset 18
 */
export async function prepareModel(
  runtime: Runtime,
  model: Model,
  sample: Values,
  options: PrepareOptions,
): Promise<Prepared> {
  const { forQuantization } = options
  const trainingPasses = [
    passNamed('inline-functions'),
    float32Inside,
    nameNodes,
    convertOpsetTo(TRAINING_OPSET),
    foldConstants,
    passNamed('remove-identity'),
    passNamed('explicit-pads'),
    ...(options.batchNorm === 'frozen' ? [foldBatchNorm] : []),
    passNamed('normalize-gemm'),
  ]
  const list = options.asItIs
    ? [passNamed('inline-functions'), nameNodes, convertOpsetTo(TRAINING_OPSET), passNamed('explicit-pads')]
    : forQuantization === undefined
      ? trainingPasses
      : workingPasses.map((pass) => (pass.name === 'convert-opset' ? convertOpsetTo(forQuantization) : pass))
  const applied = await applyRewrites(runtime, { model, feeds: sample }, list, options)
  if (opsetOf(applied.model) < TRAINING_OPSET) {
    const why = applied.applied.find(({ name }) => name === 'convert-opset')?.skipped[0]
    throw new UnsupportedError(
      `cannot train ${options.label ?? 'the model'}: its gradient needs opset ${TRAINING_OPSET}, it has ${opsetOf(applied.model)} and could not be converted (${why ?? 'no reason known'})`,
    )
  }
  const free = applied.model.graph.inputs.every(({ name, shape }) => {
    return (
      shape?.length === 0 ||
      (options.fixed === undefined && typeof shape?.[0] !== 'number' && applied.shapes.get(name)?.batchAxis === 0)
    )
  })
  const batch = free ? options.batch : (options.fixed?.size ?? 1)
  const feeds = repeated(sample, free ? batch : 1)
  const given = options.biases ? withBiases(applied.model) : applied.model
  const prepared = options.batchNorm === 'training' ? withBatchStatistics(given) : given
  const written = await writtenOut(runtime, fixedTo(prepared, feeds), feeds, options.label)
  const sized = withKnownSizes(written.model, written.shapes)
  const forward = await expandFused(runtime, { model: sized, shapes: written.shapes, feeds }, options.label)
  return {
    model: prepared,
    forward: forward.model,
    left: new Map([...written.left, ...forward.left]),
    learned: hasFused(prepared) ? withConstantsOf(forward.model, prepared) : prepared,
    shapes: forward.shapes,
    batch,
    ...(options.fixed ? { fixed: options.fixed } : {}),
    sampleShapes: applied.shapes,
    inputDims: new Map(Object.entries(feeds).map(([name, value]) => [name, value.dims])),
    rewrites: applied.applied,
  }
}

/** The same with other constants, by their names. */
export function withConstants(prepared: Prepared, tensors: ReadonlyMap<string, Tensor>): Prepared {
  return { ...prepared, model: withTensors(prepared.model, tensors), forward: withTensors(prepared.forward, tensors) }
}

/** Samples of a step that make whole runs of a graph: `batch`, or the next multiple of the graph's own. */
export function wholeRuns(batch: number, each: number): number {
  return Math.ceil(batch / each) * each
}

/** One sample, `count` times. */
function repeated(sample: Values, count: number): Values {
  return Object.fromEntries(
    Object.entries(sample).map(([name, value]): [string, TensorValue] => [
      name,
      value.dims.length === 0 || count === 1 ? value : concatValues(Array.from({ length: count }, () => value)),
    ]),
  )
}

/** A model with only those of its constants that another one has too. */
function withConstantsOf(model: Model, other: Model): Model {
  const initializers = new Map([...model.graph.initializers].filter(([name]) => other.graph.initializers.has(name)))
  return { ...model, graph: { ...model.graph, initializers } }
}

/** The model with inputs of exactly these sizes. */
export function fixedTo(model: Model, feeds: Values): Model {
  const inputs = model.graph.inputs.map((input) => {
    const dims = feeds[input.name]?.dims
    return dims ? { ...input, shape: dims } : input
  })
  const outputs = model.graph.outputs.map(({ name, dtype }) => ({ name, ...(dtype ? { dtype } : {}) }))
  return { ...model, graph: { ...model.graph, inputs, outputs, valueInfo: withoutShapes(model.graph.valueInfo) } }
}

/** A BatchNormalization that is trained: its node, and the values of its batch's mean and variance. */
export interface TrainedBatchNorm {
  readonly node: string
  /** Initialisers with the running statistics. */
  readonly mean: string
  readonly variance: string
  readonly batchMean: string
  readonly batchVariance: string
  /** ONNX's convention: running ← momentum · running + (1 − momentum) · batch. */
  readonly momentum: number
}

const MOMENTUM_KEY = 'onnxpress.train.momentum'

/**
 * BatchNormalization in training mode. Its momentum becomes 0, so that its second and third output are the statistics of
 * the batch itself; the momentum is applied to the running ones outside the graph.
 */
function withBatchStatistics(model: Model): Model {
  const editor = new GraphEditor(model)
  const momenta: Record<string, number> = {}
  for (const node of editor.nodes('BatchNormalization')) {
    momenta[node.name] = floatAttribute(node, 'momentum', 0.9)
    node.attributes.set('momentum', { type: 'float', value: 0 })
    node.attributes.set('training_mode', { type: 'int', value: 1n })
    for (const [index, part] of ['batch_mean', 'batch_variance'].entries())
      editor.setOutput(node, index + 1, editor.freshName(`${node.outputs[0]}/${part}`))
    // Statistics are written: a vector that two nodes share must become two.
    for (const index of [3, 4]) {
      const tensor = editor.constant(node.inputs[index])
      if (tensor && editor.uses(node.inputs[index] ?? '') > 1)
        editor.setConstant(node, index, Tensor.from('float32', tensor.shape, tensor.floats()))
    }
  }
  editor.model.metadata.set(MOMENTUM_KEY, JSON.stringify(momenta))
  return editor.finish()
}

/** The BatchNormalization nodes that `prepareModel` put in training mode. */
export function trainedBatchNorms(model: Model): TrainedBatchNorm[] {
  const momenta = momentaOf(model)
  return model.graph.nodes
    .filter((node) => isOp(node, 'BatchNormalization') && momenta[node.name] !== undefined)
    .map((node) => ({
      node: node.name,
      mean: node.inputs[3] ?? '',
      variance: node.inputs[4] ?? '',
      batchMean: node.outputs[1] ?? '',
      batchVariance: node.outputs[2] ?? '',
      momentum: momenta[node.name] ?? 0.9,
    }))
}

/** The momentum of each trained BatchNormalization, kept in the model's metadata while the node's own is 0. */
function momentaOf(model: Model): Record<string, number> {
  return JSON.parse(model.metadata.get(MOMENTUM_KEY) ?? '{}') as Record<string, number>
}

/** Back to inference: BatchNormalization with its running statistics. */
export function withRunningStatistics(model: Model): Model {
  const momenta = momentaOf(model)
  const editor = new GraphEditor(model)
  for (const node of editor.nodes('BatchNormalization')) {
    const momentum = momenta[node.name]
    if (momentum === undefined) continue
    node.attributes.set('momentum', { type: 'float', value: momentum })
    node.attributes.delete('training_mode')
    node.outputs.splice(1)
  }
  editor.model.metadata.delete(MOMENTUM_KEY)
  return editor.finish()
}
