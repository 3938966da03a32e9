// What a quantisation learnt from its samples, as JSON: enough to make the same file again, anywhere, without a sample.
import * as z from 'zod'
import { InputError } from '../../base/index.ts'
import type { TensorStatistics } from '../../calibrate/index.ts'
import { Histogram } from '../../math/index.ts'
import type { ChannelStatistics, Statistics } from '../../onnx/index.ts'

const numbers = z.array(z.number())
const channels = z.record(
  z.string(),
  z.strictObject({ mean: numbers, deviation: numbers, min: numbers.exactOptional(), max: numbers.exactOptional() }),
)
const seen = { count: z.number(), nonFinite: z.number(), zeros: z.number(), min: z.number(), max: z.number() }
const histogram = z.strictObject({
  ...seen,
  mean: z.number(),
  m2: z.number(),
  exponent: z.int(),
  first: z.int(),
  bins: numbers.max(2048),
})
const margin = z.strictObject({ low: z.number(), high: z.number() })
const tensor = z.strictObject({
  ...seen,
  mean: z.number().exactOptional(),
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

const schema = z.strictObject({
  kind: z.literal('onnxpress-statistics'),
  version: z.literal(1),
  inputs: z.record(z.string(), z.array(z.int().nonnegative())),
  preprocess: z.record(z.string(), z.unknown()).exactOptional(),
  rewrites: z.array(z.enum(['explicit-biases', 'fold-dead-channels', 'equalize'])),
  folding: channels.exactOptional(),
  equalizing: z
    .strictObject({ clip: z.union([z.enum(['hold', 'exact']), z.array(z.string())]), channels })
    .exactOptional(),
  floatValues: z.array(z.string()).exactOptional(),
  minmaxValues: z.array(z.string()).exactOptional(),
  tensors: z.record(z.string(), tensor),
  corrections: z
    .strictObject({
      biases: z.record(z.string(), numbers),
      floats: z.record(z.string(), numbers),
      weights: z.record(z.string(), weight),
    })
    .exactOptional(),
})

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
  readonly mean?: number
  readonly margin?: { readonly low: number; readonly high: number }
  readonly histogram?: StoredHistogram
}

export interface StoredHistogram extends Seen {
  readonly mean: number
  readonly m2: number
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

/** `statistics.json` of a run folder, and the field `statistics` of a recipe. */
export interface StoredStatistics {
  readonly kind: 'onnxpress-statistics'
  readonly version: 1
  /** Dims of a sample, by input. */
  readonly inputs: Readonly<Record<string, readonly number[]>>
  /** The preprocessing of the samples, which goes into the written model. */
  readonly preprocess?: Readonly<Record<string, unknown>>
  /** What was kept of what needs samples to be judged, in order. */
  readonly rewrites: readonly ('explicit-biases' | 'fold-dead-channels' | 'equalize')[]
  /** Channels that dead channels were found in; absent when BatchNormalization knew them. */
  readonly folding?: StoredChannels
  readonly equalizing?: { readonly clip: 'hold' | 'exact' | readonly string[]; readonly channels: StoredChannels }
  /** Values that have no grid, because one costs too much. */
  readonly floatValues?: readonly string[]
  /** Values that keep min-max, because another method's range costs too much. */
  readonly minmaxValues?: readonly string[]
  /** Activations of the float model that was quantised. */
  readonly tensors: Readonly<Record<string, StoredTensor>>
  readonly corrections?: StoredCorrections
}

/** The part of it that samples taught. */
export type Learnt = Omit<StoredStatistics, 'kind' | 'version' | 'inputs' | 'preprocess'>

/** @throws InputError naming the first thing that is wrong */
export function parseStatistics(json: unknown, where: string): StoredStatistics {
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new InputError(
    `cannot use the statistics of ${where}: "${issue?.path.join('.')}" is wrong (${issue?.message}); expected the statistics.json of a run of this version`,
    { file: where },
  )
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
  const { count, nonFinite, zeros, min, max, mean, m2, exponent, first, bins } = histogram
  const end = bins.findLastIndex((counted) => counted > 0) + 1
  return { count, nonFinite, zeros, min, max, mean, m2, exponent, first, bins: [...bins.subarray(0, end)] }
}

export function tensorsFrom(stored: StoredStatistics['tensors']): Map<string, TensorStatistics> {
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

/** @throws InputError when it is no base 64 */
export function fromBase64(text: string, what: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
  } catch {
    throw new InputError(`the stored ${what} is no base 64`)
  }
}
