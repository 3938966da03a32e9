// One model on its way through the samples: advanced stage by stage, only values that are still needed are kept.
import type { TensorValue } from '../base/index.ts'
import {
  containersOf,
  extractModel,
  type Model,
  type Node,
  readsOf,
  type Shapes,
  type ValueInfo,
} from '../onnx/index.ts'
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
  readonly #inputs: readonly Values[]
  #model: Model
  #index: GraphIndex
  #targets: readonly string[] = []

  constructor(
    runtime: Runtime,
    model: Model,
    batches: readonly Values[],
    { shapes, spill, session, prefix, handOver }: StreamOptions,
  ) {
    this.#runtime = runtime
    this.#shapes = shapes
    this.#options = { optimization: 'extended', derived: 'going through it layer by layer', ...session }
    this.#live = new LiveValues(prefix, spill)
    this.#handOver = handOver
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
    for (const [batch, name, replaced] of this.#pending.splice(0)) await this.#live.set(batch, name, replaced)
    if (!this.#isLive(value)) await this.#compute(value)
    const results: TensorValue[] = []
    for (let batch = 0; batch < this.#inputs.length; batch++) results.push(await this.#get(batch, value))
    return results
  }

  replace(value: string, values: readonly TensorValue[]): void {
    for (const [batch, replaced] of values.entries()) this.#pending.push([batch, value, replaced])
  }

  close(): Promise<void> {
    return this.#live.close()
  }

  readonly #pending: [number, string, TensorValue][] = []

  /**
   * A stage runs whole nodes: those behind the live values that `value` takes. What any other node that is still to run
   * reads from them is kept, whichever of their outputs it is, so that no node runs twice.
   */
  async #compute(value: string): Promise<void> {
    const now = this.#demand([value])
    const all = this.#demand([...this.#targets, value])
    const later = this.#readBy([...all.nodes].filter((node) => !now.nodes.has(node)))
    for (const target of this.#targets) later.add(target)
    for (let batch = 0; batch < this.#inputs.length; batch++)
      for (const name of this.#live.names(batch)) if (!all.values.has(name)) await this.#live.delete(batch, name)
    const outputs = new Set([value])
    for (const node of now.nodes)
      for (const output of node.outputs) if (later.has(output) && !this.#isLive(output)) outputs.add(output)
    const inputs = [...now.values].filter((name) => this.#isLive(name))
    const part = extractModel(
      this.#model,
      [...outputs].map((name) => this.#info(name)),
      inputs.map((name) => this.#info(name)),
    )
    const wanted = part.graph.inputs.map((input) => input.name)
    // What no later stage reads is handed over; the samples are the caller's.
    const last = this.#handOver ? wanted.filter((name) => !this.#isSample(name) && !later.has(name)) : []
    await withSession(this.#runtime, part, this.#options, async (session) => {
      for (let batch = 0; batch < this.#inputs.length; batch++) {
        const feeds: Record<string, TensorValue> = {}
        for (const name of wanted) feeds[name] = await this.#get(batch, name)
        for (const name of last) await this.#live.delete(batch, name)
        const results = await session.run(feeds, { handOver: last })
        for (const [name, result] of Object.entries(results)) await this.#live.set(batch, name, result)
      }
    })
  }

  /** What nodes read. Sequences cannot be kept: they are made again, out of what their makers read. */
  #readBy(nodes: readonly Node[]): Set<string> {
    const reads = new Set<string>()
    const open = new Set(nodes)
    for (const node of open)
      for (const name of this.#index.reads(node)) {
        const maker = this.#index.containers.has(name) ? this.#index.maker(name) : undefined
        if (maker) open.add(maker)
        else reads.add(name)
      }
    return reads
  }

  /** The samples are always there, whatever was computed from them and dropped. */
  #isSample(name: string): boolean {
    return this.#inputs[0]?.[name] !== undefined
  }

  #isLive(name: string): boolean {
    return this.#live.has(0, name) || this.#isSample(name)
  }

  async #get(batch: number, name: string): Promise<TensorValue> {
    const sample = this.#live.has(batch, name) ? undefined : this.#inputs[batch]?.[name]
    return sample ?? this.#live.get(batch, name)
  }

  /** The nodes to run for `targets`, and all values that this takes, down to live ones. */
  #demand(targets: readonly string[]): { readonly values: Set<string>; readonly nodes: Set<Node> } {
    const values = new Set<string>()
    const nodes = new Set<Node>()
    const open = [...targets]
    while (open.length > 0) {
      const name = open.pop()
      if (name === undefined || values.has(name)) continue
      values.add(name)
      const maker = this.#isLive(name) ? undefined : this.#index.maker(name)
      if (!maker || nodes.has(maker)) continue
      nodes.add(maker)
      open.push(...this.#index.reads(maker))
    }
    return { values, nodes }
  }

  #info(name: string): ValueInfo {
    const dtype = this.#live.info(0, name)?.dtype ?? this.#inputs[0]?.[name]?.dtype ?? this.#shapes.get(name)?.dtype
    return { name, ...(dtype ? { dtype } : {}) }
  }
}

/** Who makes each value, and what each node reads. */
interface GraphIndex {
  readonly maker: (value: string) => Node | undefined
  readonly reads: (node: Node) => ReadonlySet<string>
  /** Values that are not tensors. */
  readonly containers: ReadonlySet<string>
}

/** By list of nodes: a walk that rewrites constants layer by layer keeps the list. */
const indices = new WeakMap<readonly Node[], GraphIndex>()
const nothing: ReadonlySet<string> = new Set()

function indexOf({ graph }: Model): GraphIndex {
  const { nodes } = graph
  const known = indices.get(nodes)
  if (known) return known
  const reads = new Map<Node, ReadonlySet<string>>()
  const makers = new Map<string, Node>()
  for (const node of nodes) {
    reads.set(node, readsOf(node))
    for (const output of node.outputs) if (output !== '') makers.set(output, node)
  }
  const index: GraphIndex = {
    maker: (value) => makers.get(value),
    reads: (node) => reads.get(node) ?? nothing,
    containers: containersOf(graph),
  }
  indices.set(nodes, index)
  return index
}
