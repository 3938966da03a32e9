// One model on its way through the samples: advanced stage by stage, only values that are still needed are kept.
import type { TensorValue } from '../base/index.ts'
import { extractModel, type Model, type Node, readsOf, type Shapes, type ValueInfo } from '../onnx/index.ts'
import { type Runtime, type SessionOptions, type Values, withSession } from '../runtime/index.ts'
import { LiveValues, type Spill } from './live-values.ts'

export interface StreamOptions {
  readonly shapes: Shapes
  readonly spill: Spill | undefined
  readonly session: SessionOptions
  /** Tells the spilled values of two streams apart. */
  readonly prefix: string
  /** Values go to where they are read for the last time, instead of copies of them. */
  readonly handOver: boolean
}

/** A model and its live values, one list a batch. */
export class Stream {
  readonly #runtime: Runtime
  readonly #shapes: Shapes
  readonly #options: SessionOptions
  readonly #live: LiveValues
  readonly #handOver: boolean
  readonly #batches: number
  readonly #inputs: readonly Values[]
  #model: Model
  #index: GraphIndex
  #targets: readonly string[] = []
  #started = false

  constructor(
    runtime: Runtime,
    model: Model,
    batches: readonly Values[],
    { shapes, spill, session, prefix, handOver }: StreamOptions,
  ) {
    this.#runtime = runtime
    this.#shapes = shapes
    this.#options = { optimization: 'extended', ...session }
    this.#live = new LiveValues(prefix, spill)
    this.#handOver = handOver
    this.#batches = batches.length
    this.#inputs = batches
    this.#model = model
    this.#index = indexOf(model)
  }

  get model(): Model {
    return this.#model
  }

  goOnWith(model: Model): void {
    this.#model = model
    this.#index = indexOf(model)
  }

  /** From now on only what these values take is kept. */
  keepFor(targets: readonly string[]): void {
    this.#targets = targets
  }

  /** Computes `value` from what is live, and keeps what nodes not run yet will need. */
  async advance(value: string): Promise<TensorValue[]> {
    await this.#start()
    if (!this.#live.has(0, value)) await this.#compute(value)
    const results: TensorValue[] = []
    for (let batch = 0; batch < this.#batches; batch++) results.push(await this.#live.get(batch, value))
    return results
  }

  replace(value: string, values: readonly TensorValue[]): void {
    for (const [batch, replaced] of values.entries()) this.#pending.push([batch, value, replaced])
  }

  close(): Promise<void> {
    return this.#live.close()
  }

  readonly #pending: [number, string, TensorValue][] = []

  async #start(): Promise<void> {
    if (!this.#started)
      for (const [batch, values] of this.#inputs.entries())
        for (const [name, value] of Object.entries(values)) await this.#live.set(batch, name, value)
    this.#started = true
    for (const [batch, name, value] of this.#pending.splice(0)) await this.#live.set(batch, name, value)
  }

  async #compute(value: string): Promise<void> {
    const needed = this.#neededFor([value])
    const after = this.#neededFor([...this.#targets, value])
    for (let batch = 0; batch < this.#batches; batch++)
      for (const name of this.#live.names(batch)) if (!after.has(name)) await this.#live.delete(batch, name)
    const outputs = new Set([value])
    // What this stage computes and a later one reads.
    for (const node of this.#model.graph.nodes)
      for (const output of node.outputs)
        if (needed.has(output) && !this.#isLive(output) && this.#isReadLater(output, after, needed)) outputs.add(output)
    const inputs = [...needed].filter((name) => this.#isLive(name))
    const part = extractModel(
      this.#model,
      [...outputs].map((name) => this.#info(name)),
      inputs.map((name) => this.#info(name)),
    )
    const wanted = part.graph.inputs.map((input) => input.name)
    // What no later stage reads is handed over; the samples are the caller's.
    const given = new Set(Object.keys(this.#inputs[0] ?? {}))
    const later = this.#neededFor(this.#targets, outputs)
    const last = this.#handOver ? wanted.filter((name) => !given.has(name) && !later.has(name)) : []
    await withSession(this.#runtime, part, this.#options, async (session) => {
      for (let batch = 0; batch < this.#batches; batch++) {
        const feeds: Record<string, TensorValue> = {}
        for (const name of wanted) feeds[name] = await this.#live.get(batch, name)
        for (const name of last) await this.#live.delete(batch, name)
        const results = await session.run(feeds, { handOver: last })
        for (const [name, result] of Object.entries(results)) await this.#live.set(batch, name, result)
      }
    })
  }

  #isLive(name: string): boolean {
    return this.#live.has(0, name)
  }

  #isReadLater(output: string, after: ReadonlySet<string>, needed: ReadonlySet<string>): boolean {
    if (this.#targets.includes(output)) return true
    return this.#index.readers(output).some((node) => node.outputs.some((name) => after.has(name) && !needed.has(name)))
  }

  /** All values that computing `targets` takes, down to live ones and to those that are about to be. */
  #neededFor(targets: readonly string[], soon: ReadonlySet<string> = nothing): Set<string> {
    const needed = new Set<string>()
    const open = [...targets]
    while (open.length > 0) {
      const name = open.pop()
      if (name === undefined || needed.has(name)) continue
      needed.add(name)
      if (this.#isLive(name) || soon.has(name)) continue
      open.push(...this.#index.reads(name))
    }
    return needed
  }

  #info(name: string): ValueInfo {
    const dtype = this.#live.info(0, name)?.dtype ?? this.#shapes.get(name)?.dtype
    return { name, ...(dtype ? { dtype } : {}) }
  }
}

/** Who makes and reads each value. */
interface GraphIndex {
  readonly readers: (value: string) => readonly Node[]
  /** What the maker of a value reads. */
  readonly reads: (value: string) => ReadonlySet<string>
}

/** By list of nodes: a walk that rewrites constants layer by layer keeps the list. */
const indices = new WeakMap<readonly Node[], GraphIndex>()
const nothing: ReadonlySet<string> = new Set()

function indexOf({ graph: { nodes } }: Model): GraphIndex {
  const known = indices.get(nodes)
  if (known) return known
  const reads = new Map<string, ReadonlySet<string>>()
  const readers = new Map<string, Node[]>()
  for (const node of nodes) {
    const own = readsOf(node)
    for (const output of node.outputs) reads.set(output, own)
    for (const value of own) {
      const list = readers.get(value)
      if (list) list.push(node)
      else readers.set(value, [node])
    }
  }
  const index = {
    readers: (value: string) => readers.get(value) ?? [],
    reads: (value: string) => reads.get(value) ?? nothing,
  }
  indices.set(nodes, index)
  return index
}
