// The two-stream walk: the float model and the changed one go through the samples side by side, layer by layer.
import { report, type TensorValue, throwIfCancelled, type Watch } from '../base/index.ts'
import { extractModel, type Model, readsOf, type Shapes, type ValueInfo } from '../onnx/index.ts'
import { type Runtime, type SessionOptions, type Values, withSession } from '../runtime/index.ts'

/** A stop of the walk: a value that both models have, usually the output of a layer. */
export interface Stop {
  readonly name: string
  readonly value: string
}

/** What a visitor sees at a stop, for each batch of samples. */
export interface StopView extends Stop {
  readonly index: number
  readonly float: readonly TensorValue[]
  readonly changed: readonly TensorValue[]
}

/**
 * Looks at a stop and may give back the changed stream's values, one a batch, with which that stream goes on: a visitor
 * that has corrected a bias hands on what the corrected layer would have given, and nothing is run again.
 */
export interface WalkVisitor {
  readonly visit: (view: StopView) => Promise<readonly TensorValue[] | undefined>
}

export interface WalkOptions extends Watch {
  /** Observed shapes of the float model, for the element types of values between stops. */
  readonly shapes: Shapes
}

/**
 * Walks both models through the batches. Each network runs once whatever its depth; only values that later stops need are
 * kept. Stops must be in graph order. If and Loop are opaque nodes between stops.
 */
export async function walk(
  runtime: Runtime,
  float: Model,
  changed: Model,
  stops: readonly Stop[],
  batches: readonly Values[],
  visitor: WalkVisitor,
  options: WalkOptions,
): Promise<void> {
  const streams = [
    new Stream(runtime, float, batches, options.shapes, {}),
    // The changed model is a Q/DQ model: its simulation, so that nothing fuses across a stop.
    new Stream(runtime, changed, batches, options.shapes, { simulate: true }),
  ] as const
  for (const [index, stop] of stops.entries()) {
    throwIfCancelled(options.signal)
    report(options, 'walk', index, stops.length, stop.name)
    const later = stops.slice(index + 1).map((other) => other.value)
    const [a, b] = [await streams[0].advance(stop.value, later), await streams[1].advance(stop.value, later)]
    const replaced = await visitor.visit({ ...stop, index, float: a, changed: b })
    if (replaced) streams[1].replace(stop.value, replaced)
  }
  report(options, 'walk', stops.length, stops.length)
}

/** One model on its way through the samples: the live values of each batch. */
class Stream {
  readonly #runtime: Runtime
  readonly #model: Model
  readonly #shapes: Shapes
  readonly #options: SessionOptions
  readonly #live: Map<string, TensorValue>[]
  readonly #order: ReadonlyMap<string, number>

  constructor(runtime: Runtime, model: Model, batches: readonly Values[], shapes: Shapes, options: SessionOptions) {
    this.#runtime = runtime
    this.#model = model
    this.#shapes = shapes
    this.#options = { ...options, optimization: 'extended' }
    this.#live = batches.map((batch) => new Map(Object.entries(batch)))
    this.#order = new Map(
      model.graph.nodes.flatMap((node, index) => node.outputs.map((output) => [output, index] as const)),
    )
  }

  /** Computes `value` from what is live, and keeps what nodes not run yet will need. */
  async advance(value: string, later: readonly string[]): Promise<TensorValue[]> {
    const needed = this.#neededFor([value])
    const after = this.#neededFor(later)
    const outputs = new Set([value])
    // What this stage computes and a later one reads.
    for (const node of this.#model.graph.nodes) {
      const own = node.outputs.filter((output) => needed.has(output) && !this.#isLive(output))
      if (own.length === 0) continue
      for (const output of own) if (this.#isReadLater(output, after, needed)) outputs.add(output)
    }
    const inputs = [...needed].filter((name) => this.#isLive(name))
    if (!this.#isLive(value)) {
      const part = extractModel(
        this.#model,
        [...outputs].map((name) => this.#info(name)),
        inputs.map((name) => this.#info(name)),
      )
      const wanted = part.graph.inputs.map((input) => input.name)
      await withSession(this.#runtime, part, this.#options, async (session) => {
        for (const live of this.#live) {
          const feeds = Object.fromEntries(
            wanted.flatMap((name) => (live.has(name) ? [[name, live.get(name)!] as const] : [])),
          )
          for (const [name, result] of Object.entries(await session.run(feeds))) live.set(name, result)
        }
      })
    }
    const results = this.#live.map((live) => live.get(value)!)
    for (const live of this.#live)
      for (const name of live.keys()) if (!after.has(name) && name !== value) live.delete(name)
    return results
  }

  replace(value: string, values: readonly TensorValue[]): void {
    for (const [index, live] of this.#live.entries()) {
      const replaced = values[index]
      if (replaced) live.set(value, replaced)
    }
  }

  #isLive(name: string): boolean {
    return this.#live[0]?.has(name) === true
  }

  #isReadLater(output: string, after: ReadonlySet<string>, needed: ReadonlySet<string>): boolean {
    if (!after.has(output)) return false
    return this.#model.graph.nodes.some((node) => {
      const makes = node.outputs.some((name) => after.has(name) && !needed.has(name))
      return makes && readsOf(node).has(output)
    })
  }

  /** All values that computing `targets` takes, down to live ones. */
  #neededFor(targets: readonly string[]): Set<string> {
    const needed = new Set<string>()
    const open = [...targets]
    while (open.length > 0) {
      const name = open.pop()
      if (name === undefined || needed.has(name)) continue
      needed.add(name)
      if (this.#isLive(name)) continue
      const node = this.#model.graph.nodes[this.#order.get(name) ?? -1]
      if (node) open.push(...readsOf(node))
    }
    return needed
  }

  #info(name: string): ValueInfo {
    const live = this.#live[0]?.get(name)
    const dtype = live?.dtype ?? this.#shapes.get(name)?.dtype
    return { name, ...(dtype ? { dtype } : {}) }
  }
}
