// The calibration pass: one read of the data, reductions inside the graph, nothing kept but a few numbers a tensor.
import { InputError, report, type TensorValue, throwIfCancelled, type Watch } from '../base/index.ts'
import type { Batch } from '../data/index.ts'
import type { Model, Shapes } from '../onnx/index.ts'
import type { Runtime, Session, Values } from '../runtime/index.ts'
import { firstToFail } from './inherited.ts'
import type { TensorStatistics } from './ranges/index.ts'
import { PHASE, PICKED, STRIDE, strideFor, type WatchedGraph, watchedGraph } from './watched-graph.ts'
import { type RangeRequest, Watcher } from './watcher.ts'

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
  const fixedSize = hasFixedSize(model)
  const watchers = requests.map((request) => new Watcher(request, options.shapes, fixedSize))
  const pass = new Pass(runtime, model, watchers)
  let done = 0
  try {
    for await (const batch of batches) {
      throwIfCancelled(options.signal)
      report(options, 'calibrate', done, options.total)
      await pass.take(batch)
      done += batch.size
    }
  } finally {
    await pass.close()
  }
  if (done === 0) throw new InputError('there are no samples to calibrate on')
  report(options, 'calibrate', done, options.total)
  return new Map(watchers.map((watcher) => [watcher.request.value, watcher.statistics()]))
}

/** Do all inputs have one size, whatever the sample? */
function hasFixedSize(model: Model): boolean {
  return model.graph.inputs.every(
    (input) => input.shape?.every((dim, axis) => axis === 0 || typeof dim === 'number') === true,
  )
}

/** The watched model in use. It changes when a value looks strange: see `take`. */
class Pass {
  readonly #runtime: Runtime
  readonly #model: Model
  readonly #watchers: readonly Watcher[]
  /** Graph inputs are looked at here, while the model runs. */
  readonly #fed: readonly Watcher[]
  /** Watchers that get a mean, which shows NaN: the few that NaN can begin at, or all of them after something strange. */
  #checked: ReadonlySet<Watcher>
  #graph: WatchedGraph | undefined
  #session: Session | undefined
  #batches = 0

  constructor(runtime: Runtime, model: Model, watchers: readonly Watcher[]) {
    this.#runtime = runtime
    this.#model = model
    const inputs = new Set(model.graph.inputs.map((input) => input.name))
    this.#fed = watchers.filter(({ request }) => inputs.has(request.value))
    this.#watchers = watchers.filter(({ request }) => !inputs.has(request.value))
    const first = firstToFail(model, new Set(watchers.map(({ request }) => request.value)))
    this.#checked = new Set(this.#watchers.filter(({ request }) => first.has(request.value)))
  }

  /** Runs a batch and hands everybody their numbers. */
  async take(batch: Batch): Promise<void> {
    const phase = (this.#batches++ * 17) % STRIDE
    const running = this.#run(batch, phase)
    running.catch(() => {})
    for (const watcher of this.#fed) takeInput(watcher, batch, phase)
    this.#distribute(await running, batch)
    const strange = [...this.#watchers, ...this.#fed].some((watcher) => watcher.suspicious)
    if (!strange || this.#checked.size === this.#watchers.length) return
    // Infinite, or so large that sums overflow: from now on every value is checked, this batch first.
    this.#checked = new Set(this.#watchers)
    await this.close()
    this.#distribute(await this.#run(batch, phase), batch)
  }

  /** Closes the session in use; the next batch opens another. */
  async close(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    this.#graph = undefined
    await session?.close()
  }

  async #run(batch: Batch, phase: number): Promise<Values> {
    if (this.#watchers.length === 0) return {}
    this.#graph ??= watchedGraph(this.#model, this.#watchers, this.#checked)
    const { model, phased } = this.#graph
    if (model.graph.outputs.length === 0) return {}
    this.#session ??= await this.#runtime.open(model, { optimization: 'all', derived: 'watching its values' })
    const start: TensorValue = { dtype: 'int64', dims: [1], data: BigInt64Array.of(BigInt(phase)) }
    return this.#session.run(phased ? { ...batch.inputs, [PHASE]: start } : batch.inputs)
  }

  /** Hands each watcher its parts of the joined outputs: means first, so that NaN is named and not lost in a range. */
  #distribute(results: Values, { ids, size }: Batch): void {
    const { joined = [], sampled = [], picked = [] } = this.#graph ?? {}
    for (const { name, kind, channels, watchers } of joined.toReversed()) {
      const data = dataOf(results, name)
      let from = 0
      for (let sample = 0; sample < (channels ? size : 1); sample++) {
        for (const watcher of watchers) {
          const to = from + (watcher.channels ?? (watcher.perSample ? size : 1))
          const part = data.subarray(from, to)
          if (kind === 'Max') watcher.takeMax(part)
          else if (kind === 'Min') watcher.takeMin(part)
          else if (channels) watcher.takeMeans(Float32Array.of(meanOf(part)), [ids[sample] ?? '?'])
          else watcher.takeMeans(part, ids)
          from = to
        }
      }
    }
    for (const { watcher, name } of sampled) watcher.takeSample(dataOf(results, name))
    if (picked.length === 0) return
    const data = dataOf(results, PICKED)
    let from = 0
    for (let sample = 0; sample < size; sample++)
      for (const { watcher, count } of picked) {
        watcher.takeSample(data.subarray(from, from + count))
        from += count
      }
  }
}

/** What a watcher of a graph input sees in a batch. */
function takeInput(watcher: Watcher, batch: Batch, phase: number): void {
  const { data } = batch.inputs[watcher.request.value] ?? {}
  if (!(data instanceof Float32Array)) return
  const each = data.length / batch.size
  for (const [sample, id] of batch.ids.entries())
    watcher.takeElements(data.subarray(sample * each, (sample + 1) * each), id)
  if (!watcher.request.histogram) return
  const stride = strideFor(watcher.dims)
  watcher.takeSample(data, stride, phase % stride)
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
