// What the outputs of a network make of what a layer loses: each group is cut once for trial, and the network is run.
import { report, throwIfCancelled, type Watch } from '../../base/index.ts'
import { type Products, SqnrAccumulator } from '../../math/index.ts'
import { type ChannelGraph, GraphEditor, type Model } from '../../onnx/index.ts'
import { type Runtime, type Values, withSession } from '../../runtime/index.ts'
import { type PruningGroup, passesChannels } from './groups.ts'
import { fitWithout, type Reading } from './readings.ts'
import { silenceChannels } from './remove-channels.ts'

/** Samples that a trial runs. Errors are only compared with each other: more of them tell the same. */
const SAMPLES = 64
/** They are kept from the moments: a fit to few samples must not be judged by the same ones. But not too many of them. */
const LARGEST_SHARE = 0.25
/** Of a group's channels, those that cost least. Errors grow in step with losses up to here and well beyond. */
const TRIED = 0.25
/** Of the dearest channel's cost: what is below is dead or a copy, and its error that of float32 sums. */
const NEGLIGIBLE = 1e-3
const LEAST_LOSS = 1e-7

/** Batches for moments, and batches for trials: the same ones when there are too few to keep some back. */
export function keepForTrials(batches: readonly Values[]): {
  readonly moments: readonly Values[]
  readonly trials: readonly Values[]
} {
  const sizes = batches.map((feeds) => Math.max(1, Object.values(feeds)[0]?.dims[0] ?? 1))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  let first = batches.length
  let count = 0
  while (first > 0 && count < SAMPLES && count + sizes[first - 1]! <= LARGEST_SHARE * total) count += sizes[--first]!
  if (count > 0) return { moments: batches.slice(0, first), trials: batches.slice(first) }
  return { moments: batches, trials: batches.slice(-1) }
}

/** Of channels by rising cost those that cost nothing, and of the others the cheaper ones; at least one channel stays. */
export function tried<T extends { readonly cost: number }>(cheapest: readonly T[]): readonly T[] {
  const least = NEGLIGIBLE * (cheapest.at(-1)?.cost ?? 0)
  const nothing = cheapest.filter(({ cost }) => cost <= least).length
  const count = nothing + Math.max(1, Math.round(TRIED * (cheapest.length - nothing)))
  return cheapest.slice(0, Math.max(1, Math.min(count, cheapest.length - 1)))
}

/** Runs changed versions of a model and tells how far their outputs are from the model's own. */
export class TrialCuts {
  readonly #runtime: Runtime
  readonly #products: Products
  readonly #model: Model
  readonly #graph: ChannelGraph
  readonly #batches: readonly Values[]
  readonly #watch: Watch
  #outputs: readonly Values[] | undefined

  constructor(
    runtime: Runtime,
    { model, graph }: { readonly model: Model; readonly graph: ChannelGraph },
    batches: readonly Values[],
    { products, ...watch }: Watch & { readonly products: Products },
  ) {
    this.#runtime = runtime
    this.#products = products
    this.#model = model
    this.#graph = graph
    this.#batches = batches
    this.#watch = watch
  }

  /**
   * Error at the outputs (noise to signal, the mean over the outputs) for each unit that the readers of a group lose, when
   * some of its channels go and the readers are fitted to that. The same loss matters more behind one layer than behind
   * another: what later layers average away, what every block of a stage reads, what sits before the classifier.
   * @param costOf what a channel costs its readers, as things stand
   * @param unfitted what readers without moments lose with a channel
   */
  async sensitivity(
    group: PruningGroup,
    readings: readonly Reading[],
    costOf: (id: number) => number,
    unfitted: ReadonlyMap<number, number>,
  ): Promise<number> {
    throwIfCancelled(this.#watch.signal)
    report(this.#watch, { step: 'select', done: 0, total: 1, message: group.writers[0] ?? '' })
    const cheapest = group.channels.map((id) => ({ id, cost: costOf(id) })).sort((a, b) => a.cost - b.cost)
    const removed = new Set(tried(cheapest).map(({ id }) => id))
    const editor = new GraphEditor(silenceChannels(this.#model, this.#graph, removed, passesChannels))
    let loss = 0
    for (const id of removed) loss += unfitted.get(id) ?? 0
    for (const reading of readings)
      if (reading.channels.input.some((id) => removed.has(id)))
        loss += await fitWithout(this.#products, editor, reading, removed)
    const error = await this.#errorOf(editor.finish())
    // Channels that cost nothing at all tell nothing either.
    return loss > LEAST_LOSS && Number.isFinite(error) ? error / loss : 1
  }

  async #errorOf(changed: Model): Promise<number> {
    this.#outputs ??= await this.#run(this.#model)
    const got = await this.#run(changed)
    const sums = new Map<string, SqnrAccumulator>()
    for (const [index, values] of this.#outputs.entries())
      for (const [name, { data }] of Object.entries(values)) {
        const other = got[index]?.[name]?.data
        if (!(data instanceof Float32Array) || !(other instanceof Float32Array)) continue
        const sum = sums.get(name) ?? new SqnrAccumulator()
        sums.set(name, sum)
        sum.add(data, other)
      }
    const shares = [...sums.values()].flatMap(({ noise, signal }) => (signal > 0 ? [noise / signal] : []))
    return shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length)
  }

  #run(model: Model): Promise<Values[]> {
    return withSession(this.#runtime, model, { label: 'a trial cut' }, async (session) => {
      const outputs: Values[] = []
      for (const feeds of this.#batches) outputs.push(await session.run(feeds))
      return outputs
    })
  }
}
