// The calibration pass: one read of the data, reductions inside the graph, nothing kept but a few numbers a tensor.
import { InputError, report, type TensorValue, throwIfCancelled, type Watch } from '../base/index.ts'
import { type Batch, samplesIn } from '../data/index.ts'
import type { Model, Shapes } from '../onnx/index.ts'
import type { Runtime, Session, Values } from '../runtime/index.ts'
import { blame } from './culprit.ts'
import { firstToFail } from './inherited.ts'
import { noted, statisticsIn } from './merge-parts.ts'
import type { TensorStatistics } from './ranges/index.ts'
import type { TensorTally } from './tensor-tally.ts'
import { countOf, type Part, PHASE, STRIDE, strideFor, type WatchedGraph, watchedGraph } from './watched-graph.ts'
import { NotFiniteError, type RangeRequest, Watcher } from './watcher.ts'

/** What a pass looks at. */
export interface CalibrateOptions extends Watch {
  readonly requests: readonly RangeRequest[]
  /** Observed shapes of the values. */
  readonly shapes: Shapes
  /** Samples that there will be, for progress. */
  readonly total: number
  /** Number of the first batch among those of all parts, where this is not the first part; default 0. */
  readonly firstBatch?: number
}

/**
 * Watches values of a float model while the batches run through it once. Memory does not depend on how many there are.
 * @returns value name → statistics
 * @throws InputError naming the sample that is NaN or infinite, or what in the model makes it so
 */
export async function calibrate(
  runtime: Runtime,
  model: Model,
  batches: AsyncIterable<Batch>,
  options: CalibrateOptions,
): Promise<Map<string, TensorStatistics>> {
  let any = false
  const tallies = await calibratePart(
    runtime,
    model,
    noted(batches, () => (any = true)),
    options,
  )
  if (!any) throw new InputError('there are no samples to calibrate on')
  return statisticsIn(tallies)
}

/**
 * A part of a calibration: what some of the batches show. Parts of consecutive batches, made anywhere, merge with `mergeParts` in
 * their order, and `statisticsIn` gives then what `calibrate` gives of all batches, bit for bit on the same kind of machine. Batches
 * must be cut as one pass would cut them, and `firstBatch` says where a part begins.
 * @returns value name → tally; of no batch at all an empty one
 * @throws InputError as `calibrate` does
 */
export async function calibratePart(
  runtime: Runtime,
  model: Model,
  batches: AsyncIterable<Batch>,
  options: CalibrateOptions,
): Promise<ReadonlyMap<string, TensorTally>> {
  const fixedSize = hasFixedSize(model)
  const watchers = options.requests.map((request) => new Watcher(request, options.shapes, fixedSize))
  const pass = new Pass(runtime, model, watchers, options.firstBatch)
  let done = 0
  try {
    for await (const batch of batches) {
      throwIfCancelled(options.signal)
      report(options, { step: 'calibrate', done, total: options.total })
      await pass.take(batch)
      done += batch.size
    }
  } finally {
    await pass.close()
  }
  report(options, { step: 'calibrate', done, total: options.total })
  return new Map(watchers.map((watcher) => [watcher.request.value, watcher.tally()]))
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
  #batches: number

  constructor(runtime: Runtime, model: Model, watchers: readonly Watcher[], firstBatch = 0) {
    this.#batches = firstBatch
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
    try {
      await this.#take(batch)
    } catch (error) {
      if (!(error instanceof NotFiniteError)) throw error
      const { ids } = error.found
      const place = ids.length === 1 ? batch.ids.indexOf(ids[0] ?? '') : -1
      // A model of a fixed batch cannot run a sample alone.
      const alone = batch.fixed ? undefined : samplesIn(batch)[place]
      throw await blame(this.#runtime, this.#model, error.found, alone?.inputs ?? batch.inputs)
    }
  }

  async #take(batch: Batch): Promise<void> {
    const phase = (this.#batches++ * 17) % STRIDE
    const running = this.#run(batch, phase)
    try {
      for (const watcher of this.#fed) takeInput(watcher, batch, phase)
    } catch (error) {
      // What is under way ends first: nothing may be left that opens a session once everything is closed.
      await running.catch(() => {})
      throw error
    }
    this.#distribute(await running, batch)
    const strange = [...this.#watchers, ...this.#fed].some((watcher) => watcher.suspicious)
    if (!strange || this.#checked.size === this.#watchers.length) return
    // Infinite, or so large that sums overflow: from now on every value is checked, this batch first; it has been counted.
    this.#checked = new Set(this.#watchers)
    await this.close()
    this.#distribute(await this.#run(batch, phase), batch, [true])
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
  #distribute(results: Values, { ids, size, fixed }: Batch, means = [true, false]): void {
    // What only fills a fixed batch up lies behind what counts; ranges and means of copies are those of the samples.
    const share = fixed ? size / fixed.size : 1
    for (const isMean of means)
      for (const { name, channels, parts } of (this.#graph?.joined ?? []).toReversed()) {
        const data = dataOf(results, name)
        let from = 0
        for (let sample = 0; sample < (channels ? size : 1); sample++)
          for (const part of parts) {
            const { kind, watcher } = part
            if (kind === 'Sampled') from++
            const count =
              kind === 'Sampled' ? (data[from - 1] ?? 0) : channels ? countOf(part) : watcher.perSample ? size : 1
            const own = data.subarray(from, from + (kind === 'Sampled' ? Math.ceil(count * share) : count))
            if ((kind === 'Mean') === isMean) hand(part, own, channels ? [ids[sample] ?? '?'] : ids)
            from += count
          }
      }
  }
}

function hand({ kind, watcher }: Part, numbers: Float32Array, ids: readonly string[]): void {
  if (kind === 'Max') watcher.takeMax(numbers)
  else if (kind === 'Min') watcher.takeMin(numbers)
  else if (kind === 'Mean')
    watcher.takeMeans(watcher.channels === undefined ? numbers : Float32Array.of(meanOf(numbers)), ids)
  else watcher.takeSample(numbers)
}

/** What a watcher of a graph input sees in a batch. */
function takeInput(watcher: Watcher, batch: Batch, phase: number): void {
  const { data } = batch.inputs[watcher.request.value] ?? {}
  if (!(data instanceof Float32Array)) return
  const { fixed, size } = batch
  if (fixed && fixed.axes[watcher.request.value] !== 0) {
    watcher.takeElements(data, batch.ids.join(', '))
  } else {
    const each = data.length / (fixed?.size ?? size)
    for (const [sample, id] of batch.ids.entries())
      watcher.takeElements(data.subarray(sample * each, (sample + 1) * each), id)
  }
  if (!watcher.request.histogram) return
  const stride = strideFor(watcher.dims)
  const counted = fixed ? data.subarray(0, Math.ceil((data.length * size) / fixed.size)) : data
  watcher.takeSample(counted, stride, phase % stride)
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
