// The training graph: forward pass, loss and backward pass in one ordinary ONNX model, weights as inputs.
import { sizeOf, UnsupportedError } from '../base/index.ts'
import type { FixedBatch } from '../data/index.ts'
import {
  type DType,
  GraphEditor,
  isFloat,
  type Model,
  type Node,
  nodeName,
  peakBytes,
  type Tensor,
} from '../onnx/index.ts'
import { addGradients, hasGradient, whereGradientEnds } from './graph/backward.ts'
import { Emitter, type Known } from './graph/emitter.ts'
import { logitsOf } from './loss/logits.ts'
import type { LossSite, LossTerm } from './loss/terms.ts'
import type { Parameter } from './parameters.ts'
import { type Prepared, type TrainedBatchNorm, trainedBatchNorms } from './prepare.ts'
import { expandBatchNorms } from './rules/batch-norm.ts'
import { lowerFakeQuant } from './rules/fake-quant.ts'
import { gradientRuleOf } from './rules/index.ts'

/** Names of the inputs that a batch is fed under, besides the model's own. */
export const FEEDS = {
  labels: 'train/labels',
  rowWeight: 'train/row_weight',
  sampleWeight: 'train/sample_weight',
  teacher: (value: string): string => `train/teacher/${value}`,
} as const

/** A trained array of the graph: fed under `name`, its gradient is the output `gradient`. */
export interface TrainedArray extends Parameter {
  readonly gradient: string
}

export interface TrainingGraph {
  readonly model: Model
  readonly batch: number
  /** The model's own batch, where it is fixed. */
  readonly fixed?: FixedBatch
  /** Samples are fed under these names, with these sizes for a batch. */
  readonly inputs: readonly { readonly name: string; readonly dims: readonly number[]; readonly dtype: DType }[]
  readonly parameters: readonly TrainedArray[]
  /** What was asked for and has no gradient: the loss does not depend on it. */
  readonly untrained: readonly Parameter[]
  /** Outputs with the loss and each of its terms. */
  readonly loss: string
  readonly terms: readonly { readonly name: string; readonly output: string }[]
  readonly batchNorms: readonly TrainedBatchNorm[]
  /** Which of the batch's own inputs the graph asks for. */
  readonly needs: {
    readonly labels: boolean
    readonly rows: number
    /** Are the rows of one sample `batch` apart, as in outputs whose first axis is time? */
    readonly interleaved: boolean
    readonly teacher: readonly string[]
    readonly rowWeight: boolean
    readonly sampleWeight: boolean
  }
  /** Value with the scores. */
  readonly logits: string
  /** Shapes of all its values. */
  readonly shapes: ReadonlyMap<string, Known>
  /** Estimated bytes of all values that live at the same time, at most. */
  readonly bytes: number
}

export interface TrainingGraphOptions {
  readonly parameters: readonly Parameter[]
  readonly loss: readonly LossTerm[]
  /** Changes the forward graph before the loss is added: fake quantisation. */
  readonly transform?: (g: Emitter) => Transformed
  /** Shapes of teacher values that this model does not have itself are taken from here. */
  readonly teacherLogits?: string
}

export interface Transformed {
  /** Further arrays to train, and what they begin as. */
  readonly parameters: readonly Parameter[]
  readonly initial?: ReadonlyMap<string, Tensor>
  /** Values that readers, the loss among them, find under another name now. */
  readonly renamed: ReadonlyMap<string, string>
}

/**
 * Builds the training graph of a prepared model.
 * @throws UnsupportedError when an operator on the way has no gradient rule, or nothing trained reaches the loss
 */
export async function buildTrainingGraph(prepared: Prepared, options: TrainingGraphOptions): Promise<TrainingGraph> {
  const { model, forward, shapes, batch, fixed, inputDims } = prepared
  const editor = new GraphEditor(forward)
  const g = new Emitter(editor, shapes)
  const inputs = fixInputs(g, inputDims)
  editor.graph.valueInfo.clear()
  const logits = logitsOf(model)
  const output = model.graph.outputs[0]?.name ?? ''
  editor.graph.outputs.splice(0)
  const parameters = [...options.parameters]
  for (const { name, dims } of parameters) asInput(g, name, dims)
  const transformed = options.transform?.(g)
  parameters.push(...(transformed?.parameters ?? []))
  const renamed = (value: string) => transformed?.renamed.get(value) ?? value

  const wanted = parameters.map(({ name }) => name)
  const outputs = model.graph.outputs.flatMap(({ name }) => {
    const shape = shapes.get(name)
    const usable = shape && isFloat(shape.dtype) && holdsRows(shape.dims, batch, fixed)
    return usable && hasGradient(g, editor.nodes(), { wanted, rules: gradientRuleOf }, renamed(name)) ? [name] : []
  })

  const asked = { labels: false, rowWeight: false, sampleWeight: false, teacher: [] as string[] }
  const site = lossSite(g, {
    batch,
    logits,
    output,
    outputs,
    renamed,
    asked,
    teacherLogits: options.teacherLogits ?? logits,
  })
  const { loss, terms } = await joinTerms(g, site, options.loss)
  const forwardNodes = editor.nodes()
  const found = addGradients(g, {
    seeds: new Map([[loss, g.scalar(1)]]),
    wanted,
    rules: gradientRuleOf,
    reasons: prepared.left,
  })
  lowerFakeQuant(g)
  expandBatchNorms(g)
  // A layer behind the loss, or in a branch that ends elsewhere, has no gradient: it stays as it is, and is told of.
  const untrained: Parameter[] = []
  const trained = parameters.flatMap((parameter): TrainedArray[] => {
    const gradient = found.get(parameter.name)
    if (gradient !== undefined) return [{ ...parameter, gradient: g.reshape(gradient, parameter.dims) }]
    refuseLost(g, forwardNodes, parameter, loss)
    untrained.push(parameter)
    backToConstant(
      g,
      parameter.name,
      model.graph.initializers.get(parameter.name) ?? transformed?.initial?.get(parameter.name),
    )
    return []
  })
  if (trained.length === 0)
    throw new UnsupportedError('nothing that is to be trained reaches what the loss reads', { code: 'nothing-reached' })
  const batchNorms = trainedBatchNorms(model)
  const results = new Set([loss, ...terms.map((term) => term.output), ...trained.map(({ gradient }) => gradient)])
  for (const { batchMean, batchVariance } of batchNorms) results.add(batchMean).add(batchVariance)
  for (const name of results) editor.graph.outputs.push({ name, dtype: 'float32' })
  const finished = editor.finish()
  return {
    model: finished,
    batch,
    ...(fixed ? { fixed } : {}),
    inputs,
    parameters: trained,
    untrained,
    loss,
    terms,
    batchNorms,
    needs: { ...asked, rows: rowsOf(g, logits), interleaved: isInterleaved(g.dims(logits), batch, fixed) },
    logits,
    shapes: g.shapes,
    bytes: peakBytes(finished.graph, (value) => 4 * sizeOf(g.known(value).dims)),
  }
}

/** Gives the inputs of the graph the sizes of a batch. */
function fixInputs(g: Emitter, sizes: Prepared['inputDims']): TrainingGraph['inputs'] {
  const declared = g.editor.graph.inputs
  const inputs = declared.map(({ name, dtype = 'float32' }) => {
    const dims = sizes.get(name) ?? []
    g.declare(name, dims, dtype)
    return { name, dims, dtype }
  })
  declared.splice(0, inputs.length, ...inputs.map(({ name, dims, dtype }) => ({ name, dtype, shape: dims })))
  return inputs
}

/** The terms of a loss and their weighted sum. */
async function joinTerms(
  g: Emitter,
  site: LossSite,
  list: readonly LossTerm[],
): Promise<{ readonly loss: string; readonly terms: { name: string; output: string }[] }> {
  const terms: { name: string; output: string }[] = []
  let loss: string | undefined
  for (const term of list) {
    const value = g.reshape(await term.build(site), [])
    terms.push({ name: term.name, output: value })
    const scaled = g.scaled(value, term.weight)
    loss = loss === undefined ? scaled : g.plus(loss, scaled)
  }
  if (loss === undefined) throw new UnsupportedError('a loss needs at least one term')
  return { loss, terms }
}

/** Turns an initialiser into a graph input. */
export function asInput(g: Emitter, name: string, dims: readonly number[]): void {
  g.editor.graph.initializers.delete(name)
  g.editor.graph.inputs.push({ name, dtype: 'float32', shape: dims })
  g.declare(name, dims)
}

/** @throws UnsupportedError for a layer on which the loss depends although no gradient comes back to it */
function refuseLost(g: Emitter, nodes: readonly Node[], { name, kind, node }: Parameter, loss: string): void {
  if (kind !== 'weight' && kind !== 'bias') return
  const end = whereGradientEnds(g, nodes, name, loss)
  if (!end) return
  throw new UnsupportedError(
    `cannot train "${name}" of node "${node}": its gradient ends at node "${nodeName(end)}" (${end.opType}), whose output is ${g.known(end.outputs[0] ?? '').dtype}; name the layers behind it with --only`,
    { node: nodeName(end), op: end.opType },
  )
}

/** Undoes `asInput`; a value that nobody reads any more goes when the graph is finished. */
function backToConstant({ editor }: Emitter, name: string, tensor: Tensor | undefined): void {
  if (!tensor) return
  const { inputs } = editor.graph
  inputs.splice(
    inputs.findIndex((input) => input.name === name),
    1,
  )
  editor.graph.initializers.set(name, tensor)
}

function rowsOf(g: Emitter, logits: string): number {
  return g.size(logits) / classesOf(g.dims(logits))
}

/** Has a value rows of each sample along its first axis, or, where that is time, its second? */
function holdsRows(dims: readonly number[], batch: number, fixed: FixedBatch | undefined): boolean {
  return batch === 1 || (dims[0] ?? 0) % batch === 0 || isInterleaved(dims, batch, fixed)
}

/** Does a fixed batch lie on the second axis of the scores? */
function isInterleaved(dims: readonly number[], batch: number, fixed: FixedBatch | undefined): boolean {
  const [axis] = Object.values(fixed?.axes ?? {})
  return axis === 1 && dims.length > 2 && dims[1] === batch
}

/** The class axis is the last one; [N, C, 1, 1] counts as [N, C]. */
function classesOf(dims: readonly number[]): number {
  return dims.length > 2 && sizeOf(dims.slice(2)) === 1 ? (dims[1] ?? 1) : (dims.at(-1) ?? 1)
}

interface SiteOptions {
  readonly batch: number
  readonly logits: string
  readonly teacherLogits: string
  readonly output: string
  readonly outputs: readonly string[]
  readonly renamed: (value: string) => string
  readonly asked: { labels: boolean; rowWeight: boolean; sampleWeight: boolean; teacher: string[] }
}

function lossSite(
  g: Emitter,
  { batch, logits, output, outputs, renamed, asked, teacherLogits }: SiteOptions,
): LossSite {
  const rows = rowsOf(g, logits)
  const inputs = new Map<string, string>()
  const input = (name: string, dims: readonly number[], dtype: DType = 'float32') => {
    const present = inputs.get(name) ?? g.input(name, dims, dtype)
    inputs.set(name, present)
    return present
  }
  const asRows = (value: string) => g.reshape(value, [rows, g.size(value) / rows])
  const teacher = (name: string, like = name) => {
    if (!asked.teacher.includes(name)) asked.teacher.push(name)
    return input(FEEDS.teacher(name), g.dims(like))
  }
  return {
    g,
    output,
    outputs,
    logits: () => asRows(renamed(logits)),
    labels: () => {
      asked.labels = true
      return input(FEEDS.labels, [rows], 'int64')
    },
    rowWeight: () => {
      asked.rowWeight = true
      return input(FEEDS.rowWeight, [rows])
    },
    sampleWeight: () => {
      asked.sampleWeight = true
      return input(FEEDS.sampleWeight, [batch])
    },
    value: (name) => {
      g.known(name)
      return renamed(name)
    },
    teacher,
    teacherLogits: () => asRows(teacher(teacherLogits, logits)),
  }
}
