// Evidence from samples, as JSON: statistics of channels and tensors, and arrays of codes. Numbers survive exactly.
import { z } from 'zod'
import { InputError } from '../../base/index.ts'
import type { TensorStatistics } from '../../calibrate/index.ts'
import { Histogram } from '../../math/index.ts'
import type { ChannelStatistics, Statistics } from '../../onnx/index.ts'

const numbers = z.array(z.number())
/** Channels of values, by value. */
export const storedChannelsSchema: z.ZodType<StoredChannels> = z.record(
  z.string(),
  z.strictObject({ mean: numbers, deviation: numbers, min: numbers.exactOptional(), max: numbers.exactOptional() }),
)
const seen = { count: z.number(), nonFinite: z.number(), zeros: z.number(), min: z.number(), max: z.number() }
const histogram = z.strictObject({
  ...seen,
  exponent: z.int(),
  first: z.int(),
  bins: numbers.max(2048),
})
const margin = z.strictObject({ low: z.number(), high: z.number() })
export const storedTensorSchema: z.ZodType<StoredTensor> = z.strictObject({
  ...seen,
  margin: margin.exactOptional(),
  histogram: histogram.exactOptional(),
})

const weight = z.strictObject({
  dtype: z.enum(['int8', 'uint8']),
  scale: numbers,
  zeroPoint: numbers,
  axis: z.int().exactOptional(),
  codes: z.string(),
})

export const storedCorrectionsSchema: z.ZodType<StoredCorrections> = z.strictObject({
  biases: z.record(z.string(), numbers),
  floats: z.record(z.string(), numbers),
  weights: z.record(z.string(), weight),
})

/** What corrections changed stands under this name in the evidence. */
export const CORRECTIONS = 'corrections'

/** Channels of values, as JSON. */
export type StoredChannels = Readonly<Record<string, StoredChannel>>

export interface StoredChannel {
  readonly mean: readonly number[]
  readonly deviation: readonly number[]
  readonly min?: readonly number[]
  readonly max?: readonly number[]
}

interface Seen {
  readonly count: number
  readonly nonFinite: number
  readonly zeros: number
  readonly min: number
  readonly max: number
}

export interface StoredTensor extends Seen {
  readonly margin?: { readonly low: number; readonly high: number }
  readonly histogram?: StoredHistogram
}

export interface StoredHistogram extends Seen {
  readonly exponent: number
  readonly first: number
  /** From the first bin on; empty bins at the end are left out. */
  readonly bins: readonly number[]
}

/** A weight whose codes or grid are not what plain rounding gives; `codes` in base 64. */
export interface StoredWeight {
  readonly dtype: 'int8' | 'uint8'
  readonly scale: readonly number[]
  readonly zeroPoint: readonly number[]
  readonly axis?: number
  readonly codes: string
}

/** What corrections changed, by the name of the node or the constant. */
export interface StoredCorrections {
  readonly biases: Readonly<Record<string, readonly number[]>>
  readonly floats: Readonly<Record<string, readonly number[]>>
  readonly weights: Readonly<Record<string, StoredWeight>>
}

/** Numbers survive JSON exactly; −0 becomes 0, which no grid tells apart. */
export function storedChannels(statistics: Statistics): StoredChannels {
  return Object.fromEntries(
    [...statistics].map(([value, { mean, deviation, min, max }]) => [
      value,
      {
        mean: [...mean],
        deviation: [...deviation],
        ...(min ? { min: [...min] } : {}),
        ...(max ? { max: [...max] } : {}),
      },
    ]),
  )
}

export function channelsFrom(stored: StoredChannels): Statistics {
  return new Map(
    Object.entries(stored).map(([value, { mean, deviation, min, max }]): [string, ChannelStatistics] => [
      value,
      {
        mean: Float64Array.from(mean),
        deviation: Float64Array.from(deviation),
        ...(min ? { min: Float64Array.from(min) } : {}),
        ...(max ? { max: Float64Array.from(max) } : {}),
        source: 'calibrated',
      },
    ]),
  )
}

export function storedTensors(statistics: ReadonlyMap<string, TensorStatistics>): Record<string, StoredTensor> {
  return Object.fromEntries(
    [...statistics].map(([value, { histogram: counted, ...rest }]) => [
      value,
      counted ? { ...rest, histogram: storedHistogram(counted) } : rest,
    ]),
  )
}

function storedHistogram(histogram: Histogram): StoredHistogram {
  const { count, nonFinite, zeros, min, max, exponent, first, bins } = histogram
  const end = bins.findLastIndex((counted) => counted > 0) + 1
  return { count, nonFinite, zeros, min, max, exponent, first, bins: [...bins.subarray(0, end)] }
}

export function tensorsFrom(stored: Readonly<Record<string, StoredTensor>>): Map<string, TensorStatistics> {
  return new Map(
    Object.entries(stored).map(([value, { histogram: counted, ...rest }]) => {
      if (!counted) return [value, rest]
      const { bins, ...fields } = counted
      const made = Object.assign(new Histogram(), fields)
      made.bins.set(bins)
      return [value, { ...rest, histogram: made }]
    }),
  )
}

export function toBase64(bytes: Uint8Array): string {
  let text = ''
  for (let from = 0; from < bytes.length; from += 8192)
    text += String.fromCharCode(...bytes.subarray(from, from + 8192))
  return btoa(text)
}

/** @throws InputError when it is not base 64 */
export function fromBase64(text: string, what: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
  } catch {
    throw new InputError(`the stored ${what} is not base 64`)
  }
}
