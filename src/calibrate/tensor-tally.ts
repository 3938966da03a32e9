// What a share of the samples shows of one value. Tallies of consecutive shares merge into that of all of them, bit for bit.
import { z } from 'zod'
import { InputError } from '../base/index.ts'
import { Histogram } from '../math/index.ts'
import { Lattice } from './lattice.ts'
import { marginOf, type TensorStatistics } from './ranges/index.ts'

/** What a tally must know of its value. */
export interface TallyOf {
  /** Elements of one sample. */
  readonly size: number
  /** The producer's lower bound is 0: minima are not taken. */
  readonly nonNegative: boolean
  /** Is there a distribution too? */
  readonly histogram: boolean
}

const numbers = z.array(z.number())
const histogramSchema = z.strictObject({
  count: z.int(),
  zeros: z.int(),
  nonFinite: z.int(),
  min: z.number().exactOptional(),
  max: z.number().exactOptional(),
  exponent: z.int(),
  first: z.int(),
  bins: numbers.max(2048),
})

/** A tally as JSON. Ends of nothing are absent. */
export const tensorTallySchema = z.strictObject({
  size: z.int(),
  nonNegative: z.boolean(),
  count: z.int(),
  lows: numbers,
  highs: numbers,
  lattice: z.array(z.strictObject({ values: numbers, count: z.int() })),
  histogram: histogramSchema.exactOptional(),
})

export type TensorTallyJson = z.infer<typeof tensorTallySchema>

/** Counts, extremes and the distribution of one value, as they come in. */
export class TensorTally {
  readonly of: TallyOf
  #count = 0
  #min = Number.POSITIVE_INFINITY
  #max = Number.NEGATIVE_INFINITY
  /** Extremes, the same for each sample, or each batch when a value has no batch axis. */
  readonly #lows: number[] = []
  readonly #highs: number[] = []
  /** Of a graph input: elements of pictures and other integers come on a grid of their own, with ends that they do not pass. */
  readonly lattice: Lattice
  readonly #histogram: Histogram

  constructor(of: TallyOf, lattice: Lattice = new Lattice(), histogram: Histogram = new Histogram()) {
    this.of = of
    this.lattice = lattice
    this.#histogram = histogram
  }

  /** Has it seen anything, and all of it as far from 0 as `limit` at most? True while there is nothing. */
  within(limit: number): boolean {
    return this.#count === 0 || (Math.abs(this.#max) <= limit && (this.of.nonNegative || this.#min >= -limit))
  }

  /** Takes the lowest and the highest value of a sample or batch, as far as they are asked for, that stand for `count` numbers. */
  take({ low, high, count = 0 }: { readonly low?: number; readonly high?: number; readonly count?: number }): void {
    if (low !== undefined) {
      this.#lows.push(low)
      this.#min = Math.min(this.#min, low)
    }
    if (high !== undefined) {
      this.#highs.push(high)
      this.#max = Math.max(this.#max, high)
    }
    this.#count += count
  }

  /** Every `stride`-th element from `phase` on goes into the distribution. */
  takeSample(values: Float32Array, stride = 1, phase = 0): void {
    this.#histogram.add(values, stride, phase)
  }

  /**
   * Adds what the samples behind these show.
   * @throws InputError when the other one is of another value
   */
  merge(next: TensorTally): void {
    const { size, nonNegative, histogram } = next.of
    if (size !== this.of.size || nonNegative !== this.of.nonNegative || histogram !== this.of.histogram)
      throw new InputError(
        `statistics of a value with ${size} elements do not merge with those of one with ${this.of.size}: they are of another model or another recipe`,
      )
    for (const low of next.#lows) this.take({ low })
    for (const high of next.#highs) this.take({ high })
    this.#count += next.#count
    this.lattice.merge(next.lattice)
    this.#histogram.merge(next.#histogram)
  }

  statistics(): TensorStatistics {
    const [min, max] = [this.#min, this.#max]
    return {
      count: this.#count,
      nonFinite: 0,
      zeros: this.#histogram.zeros,
      min: this.of.nonNegative ? Math.min(0, max) : min,
      max,
      ...(this.lattice.found ? {} : this.#margins(min, max)),
      ...(this.of.histogram ? { histogram: this.#histogram } : {}),
    }
  }

  toJson(): TensorTallyJson {
    const { count, zeros, nonFinite, min, max, exponent, first, bins } = this.#histogram
    const end = bins.findLastIndex((counted) => counted > 0) + 1
    const counted = { count, zeros, nonFinite, exponent, first, bins: [...bins.subarray(0, end)] }
    return {
      size: this.of.size,
      nonNegative: this.of.nonNegative,
      count: this.#count,
      lows: [...this.#lows],
      highs: [...this.#highs],
      lattice: this.lattice.samples.map((sample) => ({ values: [...sample.values], count: sample.count })),
      ...(this.of.histogram ? { histogram: { ...counted, ...(count > 0 ? { min, max } : {}) } } : {}),
    }
  }

  /** @throws InputError when it is not what `toJson` gives */
  static fromJson(json: unknown): TensorTally {
    const { success, data, error } = tensorTallySchema.safeParse(json)
    if (!success)
      throw new InputError(
        `the partial statistics of a value cannot be read: ${error.issues[0]?.path.join('.') || 'they'}: ${error.issues[0]?.message}`,
      )
    const { size, nonNegative, count, lows, highs, lattice, histogram: stored } = data
    const { bins = [], ...fields } = stored ?? {}
    const histogram = Object.assign(new Histogram(), fields)
    histogram.bins.set(bins)
    const made = new TensorTally(
      { size, nonNegative, histogram: stored !== undefined },
      new Lattice(lattice),
      histogram,
    )
    for (const low of lows) made.take({ low })
    for (const high of highs) made.take({ high, count: 0 })
    made.#count = count
    return made
  }

  #margins(min: number, max: number): Pick<TensorStatistics, 'margin'> {
    const { size, nonNegative } = this.of
    const [below, above] = [Math.max(0, -min), Math.max(0, max)]
    const down = this.#lows.map((low) => -low)
    const margin = { low: nonNegative ? 0 : marginOf(down, size, above), high: marginOf(this.#highs, size, below) }
    return margin.low > 0 || margin.high > 0 ? { margin } : {}
  }
}
