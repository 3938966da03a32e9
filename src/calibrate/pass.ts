// The calibration pass: one read of the data, reductions inside the graph, nothing kept but a few numbers a tensor.
import { InputError, report, type TensorValue, throwIfCancelled, type Watch } from '../base/index.ts'
import type { Batch } from '../data/index.ts'
import { Histogram } from '../math/index.ts'
import {
  type Attribute,
  GraphEditor,
  intAttr,
  intsAttr,
  type Model,
  opsetOf,
  type Shapes,
  Tensor,
} from '../onnx/index.ts'
import { type Runtime, type Values, withSession } from '../runtime/index.ts'
import type { TensorStatistics } from './ranges/index.ts'

/** What is asked about a value before the data is read. */
export interface RangeRequest {
  readonly value: string
  /** A distribution too, from every 61st element. */
  readonly histogram?: boolean
  /** The producer's lower bound is 0: the minimum needs no looking. */
  readonly nonNegative?: boolean
}

/** Every how many elements the histogram takes one; odd, so that no row or channel count hides behind it. */
const STRIDE = 61

const PHASE = 'onnxpress/phase'

/**
 * Watches values of a float model while the batches run through it once. Memory does not depend on how many there are.
 * @returns value name → statistics
 * @throws InputError naming the first value, in graph order, and the sample that is NaN or infinite
 */
export async function calibrate(
  runtime: Runtime,
  model: Model,
  batches: AsyncIterable<Batch>,
  requests: readonly RangeRequest[],
  options: { readonly shapes: Shapes; readonly total: number } & Watch,
): Promise<Map<string, TensorStatistics>> {
  const watchers = requests.map((request) => new Watcher(request, options.shapes, hasFixedSize(model)))
  const observed = addReductions(model, watchers)
  await withSession(runtime, observed, { optimization: 'all' }, async (session) => {
    let done = 0
    let index = 0
    for await (const batch of batches) {
      throwIfCancelled(options.signal)
      report(options, 'calibrate', done, options.total)
      const phase: TensorValue = { dtype: 'int64', dims: [1], data: BigInt64Array.of(BigInt((index++ * 17) % STRIDE)) }
      const results = await session.run(
        watchers.some(({ request }) => request.histogram) ? { ...batch.inputs, [PHASE]: phase } : batch.inputs,
      )
      distribute(watchers, results, batch)
      done += batch.size
    }
    if (done === 0) throw new InputError('there are no samples to calibrate on')
    report(options, 'calibrate', done, options.total)
  })
  return new Map(watchers.map((watcher) => [watcher.request.value, watcher.statistics()]))
}

/** Do all inputs have one size, whatever the sample? */
function hasFixedSize(model: Model): boolean {
  return model.graph.inputs.every(
    (input) => input.shape?.every((dim, axis) => axis === 0 || typeof dim === 'number') === true,
  )
}

/** What is reduced; Max and Min lose NaN, the mean shows it. */
const kinds = ['Max', 'Min', 'Mean'] as const
type Kind = (typeof kinds)[number]

/**
 * Name of a joined output: one number a sample (or a batch) of each watched value, one value after the other; or
 * `channels`: one number a channel, the channels of all values side by side for each sample.
 */
const joined = (kind: Kind, channels: boolean) => `onnxpress/${kind}${channels ? '/channels' : ''}`

/** The watchers that take part in a joined output. */
function members(watchers: readonly Watcher[], kind: Kind, channels: boolean): Watcher[] {
  return watchers.filter(
    (watcher) => (watcher.channels !== undefined) === channels && !(kind === 'Min' && watcher.request.nonNegative),
  )
}

/** The model with a few small outputs for all watched values together: many outputs cost more than the reductions. */
function addReductions(model: Model, watchers: readonly Watcher[]): Model {
  const editor = new GraphEditor(model)
  const reducer = new Reducer(editor, opsetOf(model))
  editor.graph.outputs.splice(0)
  for (const kind of kinds) {
    for (const channels of [false, true]) {
      const values = members(watchers, kind, channels).map((watcher) => reducer.reduce(kind, watcher))
      if (values.length === 0) continue
      const output = joined(kind, channels)
      const attributes = { axis: intAttr(channels ? 1 : 0) }
      editor.addNode({ opType: 'Concat', inputs: values, outputs: [output], attributes })
      editor.graph.outputs.push({ name: output, dtype: 'float32' })
    }
  }
  for (const watcher of watchers)
    if (watcher.request.histogram) watcher.sampleOutput = addSample(editor, watcher.request.value)
  if (watchers.some(({ request }) => request.histogram))
    editor.graph.inputs.push({ name: PHASE, dtype: 'int64', shape: [1] })
  return editor.finish()
}

/** Adds reductions of a value to one number a sample, or one number when its first axis is not the batch. */
class Reducer {
  readonly #editor: GraphEditor
  readonly #opset: number
  #flat: string | undefined

  constructor(editor: GraphEditor, opset: number) {
    this.#editor = editor
    this.#opset = opset
  }

  reduce(kind: Kind, { request: { value }, rank, perSample, channels }: Watcher): string {
    // Pictures first lose their spatial axes: the pools work on ONNX Runtime's blocked layout, so nothing is reordered.
    const pool = { Max: 'GlobalMaxPool', Mean: 'GlobalAveragePool', Min: undefined }[kind]
    const inner = rank < 4 ? value : pool ? this.#add(pool, value, []) : this.#reduce(kind, value, range(2, rank), true)
    if (channels !== undefined) return inner
    if (perSample && rank > 1) return this.#reduce(kind, inner, range(1, rank))
    if (perSample) return inner
    this.#flat ??= this.#editor.addTensor('onnxpress/flat', Tensor.from('int64', [1], [-1]))
    return this.#add('Reshape', this.#reduce(kind, inner, []), [this.#flat])
  }

  #reduce(kind: Kind, value: string, axes: readonly number[], keep = false): string {
    const given = axes.length > 0
    const asInput = given && this.#opset >= 18
    const inputs = asInput ? [this.#editor.addTensor('onnxpress/axes', Tensor.from('int64', [axes.length], axes))] : []
    const attributes = { keepdims: intAttr(keep ? 1 : 0), ...(given && !asInput ? { axes: intsAttr(axes) } : {}) }
    return this.#add(`Reduce${kind}`, value, inputs, attributes)
  }

  #add(opType: string, value: string, more: readonly string[], attributes: Record<string, Attribute> = {}): string {
    const output = this.#editor.freshName(`${value}/${opType}`)
    this.#editor.addNode({ opType, inputs: [value, ...more], outputs: [output], attributes })
    return output
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}

function addSample(editor: GraphEditor, value: string): string {
  const ints = (hint: string, numbers: readonly number[]) =>
    editor.addTensor(`onnxpress/${hint}`, Tensor.from('int64', [numbers.length], numbers))
  const flat = editor.freshName(`${value}/flat`)
  editor.addNode({ opType: 'Reshape', inputs: [value, ints('flat', [-1])], outputs: [flat] })
  const output = editor.freshName(`${value}/sample`)
  const end = ints('end', [2 ** 40])
  editor.addNode({
    opType: 'Slice',
    inputs: [flat, PHASE, end, ints('axis', [0]), ints('stride', [STRIDE])],
    outputs: [output],
  })
  editor.graph.outputs.push({ name: output, dtype: 'float32' })
  return output
}

/** Collects what the reductions of one value say. */
class Watcher {
  readonly request: RangeRequest
  readonly rank: number
  /** Is its first axis the batch? */
  readonly perSample: boolean
  /** Number of its channels (axis 1), when they are handed over one by one: for maps of a model of fixed size. */
  readonly channels: number | undefined
  sampleOutput = ''
  #min = Number.POSITIVE_INFINITY
  #max = Number.NEGATIVE_INFINITY
  #sum = 0
  #means = 0
  readonly #histogram = new Histogram()

  constructor(request: RangeRequest, shapes: Shapes, fixedSize: boolean) {
    this.request = request
    const shape = shapes.get(request.value)
    this.rank = shape?.dims.length ?? 0
    this.perSample = shape?.batchAxis === 0
    this.channels = fixedSize && this.perSample && this.rank >= 4 ? shape?.dims[1] : undefined
  }

  takeMeans(means: ArrayLike<number> & Iterable<number>, ids: readonly string[]): void {
    let i = -1
    for (const mean of means) {
      i++
      if (!Number.isFinite(mean)) {
        const sample = this.perSample || ids.length === 1 ? (ids[i] ?? '?') : ids.join(', ')
        throw new InputError(
          `tensor "${this.request.value}" is ${Number.isNaN(mean) ? 'NaN' : 'infinite'} for sample ${sample}; such values have no range: check the sample and its preprocessing, or exclude the layer`,
          { tensor: this.request.value },
        )
      }
      this.#sum += mean
    }
    this.#means += means.length
  }

  takeMax(values: Float32Array): void {
    for (const value of values) if (value > this.#max) this.#max = value
  }

  takeMin(values: Float32Array): void {
    for (const value of values) if (value < this.#min) this.#min = value
  }

  takeSample(values: Float32Array): void {
    this.#histogram.add(values)
  }

  statistics(): TensorStatistics {
    const min = this.request.nonNegative ? Math.min(0, this.#max) : this.#min
    return {
      count: this.#means,
      nonFinite: 0,
      zeros: this.#histogram.zeros,
      min,
      max: this.#max,
      mean: this.#sum / Math.max(1, this.#means),
      ...(this.request.histogram ? { histogram: this.#histogram } : {}),
    }
  }
}

/** Hands each watcher its parts of the joined outputs. */
function distribute(watchers: readonly Watcher[], results: Values, { ids, size }: Batch): void {
  for (const kind of kinds) {
    for (const channels of [false, true]) {
      const data = dataOf(results, joined(kind, channels))
      const list = members(watchers, kind, channels)
      let from = 0
      for (let sample = 0; sample < (channels ? size : 1); sample++) {
        for (const watcher of list) {
          const to = from + (watcher.channels ?? (watcher.perSample ? size : 1))
          const part = data.subarray(from, to)
          if (kind === 'Max') watcher.takeMax(part)
          else if (kind === 'Min') watcher.takeMin(part)
          else if (channels) watcher.takeMeans([meanOf(part)], [ids[sample] ?? '?'])
          else watcher.takeMeans(part, ids)
          from = to
        }
      }
    }
  }
  for (const watcher of watchers)
    if (watcher.sampleOutput !== '') watcher.takeSample(dataOf(results, watcher.sampleOutput))
}

function meanOf(values: Float32Array): number {
  let sum = 0
  for (const value of values) sum += value
  return sum / values.length
}

function dataOf(results: Values, output: string): Float32Array {
  const data = results[output]?.data
  return data instanceof Float32Array ? data : new Float32Array(0)
}
