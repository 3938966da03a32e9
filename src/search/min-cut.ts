// A choice between two sides for many things at once, where neighbours on different sides cost something: the exact best by a minimum
// cut (Dinic, 1970; binary labelling with pairwise costs, Greig, Porteous and Seheult, 1989).

/** Costs that are at least 0; things are numbered from 0. */
export interface TwoSides {
  /** What each thing costs on the first side. */
  readonly first: readonly number[]
  /** And on the second. */
  readonly second: readonly number[]
  /** What is paid once when `from` is on the first side and `to` on the second. */
  readonly borders: readonly Border[]
}

export interface Border {
  readonly from: number
  readonly to: number
  readonly cost: number
}

/** Smaller capacities are rounding errors of larger ones. */
const LEAST = 1e-12

/**
 * The cheapest choice of sides.
 * @returns for each thing: is it on the first side? With equal costs, on the second.
 */
export function cheapestSides({ first, second, borders }: TwoSides): boolean[] {
  const count = first.length
  const [source, sink] = [count, count + 1]
  const flow = new Flow(count + 2)
  for (let thing = 0; thing < count; thing++) {
    // On the first side stays what is reached from the source: its arc to the sink is cut then.
    flow.add(source, thing, second[thing] ?? 0)
    flow.add(thing, sink, first[thing] ?? 0)
  }
  for (const { from, to, cost } of borders) flow.add(from, to, cost)
  flow.saturate(source, sink)
  const reached = flow.levels(source)
  return Array.from({ length: count }, (_, thing) => (reached[thing] ?? -1) >= 0)
}

class Flow {
  /** Arcs in pairs: 2k and its reverse 2k + 1. */
  readonly #ends: number[] = []
  readonly #left: number[] = []
  readonly #arcs: number[][]

  constructor(nodes: number) {
    this.#arcs = Array.from({ length: nodes }, () => [])
  }

  add(from: number, to: number, capacity: number): void {
    if (!(capacity > 0)) return
    this.#arcs[from]?.push(this.#ends.length)
    this.#ends.push(to)
    this.#left.push(capacity)
    this.#arcs[to]?.push(this.#ends.length)
    this.#ends.push(from)
    this.#left.push(0)
  }

  /** Arcs from a node over which all others are reached; −1: not at all. */
  levels(from: number): number[] {
    const levels = this.#arcs.map(() => -1)
    levels[from] = 0
    const queue = [from]
    for (const node of queue)
      for (const arc of this.#arcs[node] ?? []) {
        const end = this.#ends[arc] ?? 0
        if (levels[end] !== -1 || (this.#left[arc] ?? 0) <= LEAST) continue
        levels[end] = (levels[node] ?? 0) + 1
        queue.push(end)
      }
    return levels
  }

  saturate(source: number, sink: number): void {
    for (let levels = this.levels(source); levels[sink] !== -1; levels = this.levels(source)) {
      const next = this.#arcs.map(() => 0)
      while (this.#push(source, sink, levels, next));
    }
  }

  /** One path along rising levels, as wide as its narrowest arc; without recursion, because graphs are deep. */
  #push(source: number, sink: number, levels: readonly number[], next: number[]): boolean {
    const path: number[] = []
    let node = source
    while (node !== sink) {
      const arc = this.#arcs[node]?.[next[node] ?? 0]
      if (arc === undefined) {
        const back = path.pop()
        if (back === undefined) return false
        node = this.#ends[back ^ 1] ?? source
        next[node] = (next[node] ?? 0) + 1
      } else if ((this.#left[arc] ?? 0) > LEAST && levels[this.#ends[arc] ?? 0] === (levels[node] ?? 0) + 1) {
        path.push(arc)
        node = this.#ends[arc] ?? sink
      } else next[node] = (next[node] ?? 0) + 1
    }
    const width = path.reduce((least, arc) => Math.min(least, this.#left[arc] ?? 0), Number.POSITIVE_INFINITY)
    for (const arc of path) {
      this.#left[arc] = (this.#left[arc] ?? 0) - width
      this.#left[arc ^ 1] = (this.#left[arc ^ 1] ?? 0) + width
    }
    return true
  }
}
