// Do the values of an input come from few numbers, as pixels do? Then a grid over just their range may hit them exactly.

/** Distinct values at most: 256 of each colour. */
const MOST = 768
/** Each value must come up this often on average, or few values are just few samples. */
const REPEATS = 4
/** Samples that are looked at. */
const SAMPLES = 4

/** What one sample has: its distinct values, and how many there are in all. */
export interface LatticeSample {
  readonly values: readonly number[]
  readonly count: number
}

/** Looks at the first samples of an input. */
export class Lattice {
  readonly #values = new Set<number>()
  readonly #samples: LatticeSample[] = []

  /** @param samples what another one has seen, in order */
  constructor(samples: readonly LatticeSample[] = []) {
    for (const sample of samples) this.#take(sample)
  }

  add(values: Float32Array): void {
    if (this.#full) return
    const own = new Set<number>()
    for (const value of values) {
      own.add(value)
      // One too many is enough to know.
      if (own.size > MOST) break
    }
    this.#take({ values: [...own], count: values.length })
  }

  /** Goes on with what the next samples have. */
  merge(next: Lattice): void {
    for (const sample of next.samples) this.#take(sample)
  }

  get samples(): readonly LatticeSample[] {
    return this.#samples
  }

  get found(): boolean {
    const count = this.#samples.reduce((sum, sample) => sum + sample.count, 0)
    return count > 0 && this.#values.size <= MOST && REPEATS * this.#values.size <= count
  }

  get #full(): boolean {
    return this.#samples.length >= SAMPLES || this.#values.size > MOST
  }

  #take(sample: LatticeSample): void {
    if (this.#full) return
    this.#samples.push(sample)
    for (const value of sample.values) this.#values.add(value)
  }
}
