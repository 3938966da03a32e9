// What a share of the samples shows of the channels of one value. Tallies merge into that of all samples, bit for bit.
import { z } from 'zod'
import { InputError } from '../base/index.ts'
import { ExactSums } from '../math/index.ts'
import type { ChannelStatistics } from '../onnx/index.ts'

const numbers = z.array(z.number())

/** A tally as JSON: for each channel its ends, absent while there are none, and the parts of its sums. */
export const channelTallySchema = z.strictObject({
  nonNegative: z.boolean(),
  count: z.int(),
  channels: z.array(
    z.strictObject({
      min: z.number().exactOptional(),
      max: z.number().exactOptional(),
      sum: numbers,
      squares: numbers,
    }),
  ),
})

export type ChannelTallyJson = z.infer<typeof channelTallySchema>

/** Sums, squares and extremes of each channel, as they come in. */
export class ChannelTally {
  readonly channels: number
  /** What makes it gives nothing below 0: minima are not taken. */
  readonly nonNegative: boolean
  readonly #min: Float64Array
  readonly #max: Float64Array
  readonly #sum: ExactSums
  readonly #squares: ExactSums
  #count = 0

  constructor(channels: number, nonNegative: boolean) {
    this.channels = channels
    this.nonNegative = nonNegative
    this.#min = new Float64Array(channels).fill(Number.POSITIVE_INFINITY)
    this.#max = new Float64Array(channels).fill(Number.NEGATIVE_INFINITY)
    this.#sum = new ExactSums(channels)
    this.#squares = new ExactSums(channels)
  }

  /**
   * Takes a row: of each channel the mean, the mean square and the extremes of a sample.
   * @param squares absent where the row is the values themselves
   * @param lows absent where nothing is below 0
   */
  take({ means, squares, highs, lows }: ChannelRow): void {
    for (let c = 0; c < this.channels; c++) {
      const value = means[c] ?? 0
      this.#sum.add(c, value)
      this.#squares.add(c, squares ? (squares[c] ?? 0) : value * value)
      this.#widen(c, lows?.[c], highs[c])
    }
    this.#count++
  }

  /** @throws InputError when the other one has other channels */
  merge(next: ChannelTally): void {
    if (next.channels !== this.channels || next.nonNegative !== this.nonNegative)
      throw new InputError(
        `statistics of ${next.channels} channels do not merge with those of ${this.channels}: they are of another model or another recipe`,
      )
    this.#sum.merge(next.#sum)
    this.#squares.merge(next.#squares)
    for (let c = 0; c < this.channels; c++) this.#widen(c, next.#min[c], next.#max[c])
    this.#count += next.#count
  }

  statistics(): ChannelStatistics {
    const rows = Math.max(1, this.#count)
    const mean = Float64Array.from({ length: this.channels }, (_, c) => this.#sum.value(c) / rows)
    return {
      mean,
      deviation: mean.map((own, c) => Math.sqrt(Math.max(0, this.#squares.value(c) / rows - own ** 2))),
      min: this.nonNegative ? new Float64Array(this.channels) : this.#min,
      max: this.#max,
      source: 'calibrated',
    }
  }

  toJson(): ChannelTallyJson {
    return {
      nonNegative: this.nonNegative,
      count: this.#count,
      channels: Array.from({ length: this.channels }, (_, c) => {
        const [min = 0, max = 0] = [this.#min[c], this.#max[c]]
        return {
          ...(Number.isFinite(min) ? { min } : {}),
          ...(Number.isFinite(max) ? { max } : {}),
          sum: this.#sum.parts(c),
          squares: this.#squares.parts(c),
        }
      }),
    }
  }

  /** @throws InputError when it is not what `toJson` gives */
  static fromJson(json: unknown): ChannelTally {
    const { success, data, error } = channelTallySchema.safeParse(json)
    if (!success)
      throw new InputError(
        `the partial statistics of channels cannot be read: ${error.issues[0]?.path.join('.') || 'they'}: ${error.issues[0]?.message}`,
      )
    const made = new ChannelTally(data.channels.length, data.nonNegative)
    for (const [c, { min, max, sum, squares }] of data.channels.entries()) {
      made.#widen(c, min, max)
      for (const part of sum) made.#sum.add(c, part)
      for (const part of squares) made.#squares.add(c, part)
    }
    made.#count = data.count
    return made
  }

  #widen(channel: number, low = Number.POSITIVE_INFINITY, high = Number.NEGATIVE_INFINITY): void {
    if (low < (this.#min[channel] ?? 0)) this.#min[channel] = low
    if (high > (this.#max[channel] ?? 0)) this.#max[channel] = high
  }
}

/** One row of numbers, one a channel each. */
export interface ChannelRow {
  readonly means: Float32Array
  readonly squares?: Float32Array | undefined
  readonly highs: Float32Array
  readonly lows?: Float32Array | undefined
}
