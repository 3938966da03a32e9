// The calibration pass: one read of the data, reductions inside the graph, nothing kept but a few numbers a tensor.
import { InputError, report, type TensorValue, throwIfCancelled, type Watch } from '../base/index.ts'
import type { Batch } from '../data/index.ts'
import { Histogram } from '../math/index.ts'
import { GraphEditor, intAttr, intsAttr, type Model, opsetOf, type Shapes, Tensor } from '../onnx/index.ts'
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
  const watchers = requests.map((request) => new Watcher(request, options.shapes))
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
      for (const watcher of watchers) watcher.take(results, batch.ids)
      done += batch.size
    }
    if (done === 0) throw new InputError('there are no samples to calibrate on')
    report(options, 'calibrate', done, options.total)
  })
  return new Map(watchers.map((watcher) => [watcher.request.value, watcher.statistics()]))
}

/** The model with a few small outputs for each watched value. */
function addReductions(model: Model, watchers: readonly Watcher[]): Model {
  const editor = new GraphEditor(model)
  const axesAreInputs = opsetOf(model) >= 18
  editor.graph.outputs.splice(0)
  const reduce = (op: string, value: string, axes: readonly number[]): string => {
    const output = editor.freshName(`${value}/${op}`)
    const given = axes.length > 0
    const inputs =
      given && axesAreInputs
        ? [value, editor.addTensor('onnxpress/axes', Tensor.from('int64', [axes.length], axes))]
        : [value]
    const attributes = { keepdims: intAttr(0), ...(given && !axesAreInputs ? { axes: intsAttr(axes) } : {}) }
    editor.addNode({ opType: op, inputs, outputs: [output], attributes })
    editor.graph.outputs.push({ name: output, dtype: 'float32' })
    return output
  }
  for (const watcher of watchers) {
    const { value, histogram, nonNegative } = watcher.request
    watcher.maxOutput = reduce('ReduceMax', value, watcher.axes)
    if (!nonNegative) watcher.minOutput = reduce('ReduceMin', value, watcher.axes)
    // ReduceMax and ReduceMin lose NaN; the mean shows it.
    watcher.meanOutput = reduce('ReduceMean', value, watcher.axes)
    if (histogram) watcher.sampleOutput = addSample(editor, value)
  }
  if (watchers.some(({ request }) => request.histogram))
    editor.graph.inputs.push({ name: PHASE, dtype: 'int64', shape: [1] })
  return editor.finish()
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
  /** Axes that are reduced in the graph; empty: all of them. Pictures keep [n, c], for which ONNX Runtime is fastest. */
  readonly axes: readonly number[]
  maxOutput = ''
  minOutput = ''
  meanOutput = ''
  sampleOutput = ''
  #min = Number.POSITIVE_INFINITY
  #max = Number.NEGATIVE_INFINITY
  #sum = 0
  #means = 0
  readonly #histogram = new Histogram()

  constructor(request: RangeRequest, shapes: Shapes) {
    this.request = request
    const shape = shapes.get(request.value)
    const rank = shape?.dims.length ?? 0
    this.axes = rank >= 3 ? Array.from({ length: rank - 2 }, (_, i) => i + 2) : []
  }

  take(results: Values, ids: readonly string[]): void {
    const means = dataOf(results, this.meanOutput)
    for (let i = 0; i < means.length; i++) {
      const mean = means[i] ?? 0
      if (!Number.isFinite(mean)) {
        const sample = ids[Math.floor((i * ids.length) / means.length)] ?? '?'
        throw new InputError(
          `tensor "${this.request.value}" is ${Number.isNaN(mean) ? 'NaN' : 'infinite'} for sample ${ids.length === 1 || means.length > 1 ? sample : ids.join(', ')}; such values have no range: check the sample and its preprocessing, or exclude the layer`,
          { tensor: this.request.value },
        )
      }
      this.#sum += mean
    }
    this.#means += means.length
    for (const value of dataOf(results, this.maxOutput)) if (value > this.#max) this.#max = value
    if (this.minOutput !== '')
      for (const value of dataOf(results, this.minOutput)) if (value < this.#min) this.#min = value
    if (this.sampleOutput !== '') this.#histogram.add(dataOf(results, this.sampleOutput))
  }

  statistics(): TensorStatistics {
    const min = this.minOutput === '' ? Math.min(0, this.#max) : this.#min
    const { zeros } = this.#histogram
    return {
      count: this.#means,
      nonFinite: 0,
      zeros,
      min,
      max: this.#max,
      mean: this.#sum / Math.max(1, this.#means),
      ...(this.request.histogram ? { histogram: this.#histogram } : {}),
    }
  }
}

function dataOf(results: Values, output: string): Float32Array {
  const data = results[output]?.data
  return data instanceof Float32Array ? data : new Float32Array(0)
}
