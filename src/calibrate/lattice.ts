// Do the values of an input come from few numbers, as pixels do? Then a grid over just their range may hit them exactly.

/** Distinct values at most: 256 of each colour. */
const MOST = 768
/** Each value must come up this often on average, or few values are just few samples. */
const REPEATS = 4
/** Samples that are looked at. */
const SAMPLES = 4

/** Looks at the first samples of an input. */
export class Lattice {
  readonly #values = new Set<number>()
  #samples = 0
  #count = 0

  add(values: Float32Array): void {
    if (this.#samples >= SAMPLES || this.#values.size > MOST) return
    this.#samples++
    this.#count += values.length
    for (const value of values) {
      this.#values.add(value)
      if (this.#values.size > MOST) return
    }
  }

  get found(): boolean {
    return this.#count > 0 && this.#values.size <= MOST && REPEATS * this.#values.size <= this.#count
  }
}
