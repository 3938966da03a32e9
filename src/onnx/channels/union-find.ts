// Union-find over channels that must be treated alike; the lowest number of a set stands for it.

export class UnionFind {
  readonly #parent: number[] = []

  /** New elements, each a set of its own. */
  add(count: number): Int32Array {
    const from = this.#parent.length
    for (let i = 0; i < count; i++) this.#parent.push(from + i)
    return Int32Array.from({ length: count }, (_, i) => from + i)
  }

  get size(): number {
    return this.#parent.length
  }

  /** The element that stands for the set of `element`. */
  root(element: number): number {
    let at = element
    for (;;) {
      const parent = this.#parent[at] ?? at
      if (parent === at) return at
      const above = this.#parent[parent] ?? parent
      this.#parent[at] = above
      at = above
    }
  }

  join(a: number, b: number): void {
    const [x, y] = [this.root(a), this.root(b)]
    if (x !== y) this.#parent[Math.max(x, y)] = Math.min(x, y)
  }
}
