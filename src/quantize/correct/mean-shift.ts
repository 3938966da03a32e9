// How far the mean of a layer's output has moved: over samples and positions, with the spread between samples.
import type { TensorValue } from '../../base/index.ts'
import type { Reading } from './reading.ts'

/** Means of both streams' outputs, by channel. */
export interface MeanShift {
  /** mean(quantised) − mean(float). */
  readonly error: Float64Array
  /** Standard error of `error`, from the spread between samples. */
  readonly standardError: Float64Array
  /** Mean square of the float output. */
  readonly square: Float64Array
  /** How far the mean moves for a shift of one. */
  readonly slope: Float64Array
  readonly samples: number
}

/** Channels of a layer's output lie on axis 1 of a Conv's, on the last axis of a Gemm's and MatMul's. */
export type ChannelPlace = 'second' | 'last'

/** Samples × channels × positions; for `last` every row is one position. */
export function layoutOf(
  { dims }: TensorValue,
  place: ChannelPlace,
): { samples: number; channels: number; inner: number; outer: number } {
  // A vector is one sample's row.
  const samples = dims.length === 1 ? 1 : (dims[0] ?? 1)
  if (place === 'second') {
    const inner = dims.slice(2).reduce((a, b) => a * b, 1)
    return { samples, channels: dims[1] ?? 1, inner, outer: 1 }
  }
  return { samples, channels: dims.at(-1) ?? 1, inner: 1, outer: dims.slice(1, -1).reduce((a, b) => a * b, 1) }
}

/** Positions of a map that a mean looks at: more say nothing new. */
const POSITIONS = 4096

/** Every how many positions one counts; odd, so that it walks through the columns of a map. */
function strideOf(inner: number): number {
  const stride = Math.max(1, Math.floor(inner / POSITIONS))
  return stride - ((stride + 1) % 2)
}

/** Compares batches of both streams. @param heard what is read of the values; absent: they themselves */
export function meanShift(
  float: readonly TensorValue[],
  changed: readonly TensorValue[],
  place: ChannelPlace,
  heard?: Reading,
): MeanShift | undefined {
  const first = float[0]
  if (!first) return undefined
  const { channels } = layoutOf(first, place)
  const sum = new Float64Array(channels)
  const spread = new Float64Array(channels)
  const square = new Float64Array(channels)
  const slope = new Float64Array(channels)
  let count = 0
  for (const [batch, value] of float.entries()) {
    const other = changed[batch]
    if (!(value.data instanceof Float32Array) || !(other?.data instanceof Float32Array)) return undefined
    const [a, b] = [value.data, other.data]
    const { samples, inner, outer } = layoutOf(value, place)
    const stride = strideOf(inner)
    const each = Math.ceil(inner / stride) * outer
    const run = { inner, stride }
    const sumsFrom = heard ? heardSums(heard, a, b, run) : plainSums(a, b, run)
    let at = 0
    for (let sample = 0; sample < samples; sample++) {
      const own = new Float64Array(channels)
      for (let row = 0; row < outer; row++)
        for (let c = 0; c < channels; c++, at += inner) {
          const sums = sumsFrom(at)
          own[c]! += sums.difference
          slope[c]! += sums.slope / each
          square[c]! += sums.energy / each
        }
      for (let c = 0; c < channels; c++) {
        const mean = own[c]! / each
        sum[c]! += mean
        spread[c]! += mean * mean
      }
      count++
    }
  }
  const error = sum.map((x) => x / count)
  return {
    error,
    standardError: spread.map((x, c) => Math.sqrt(Math.max(0, x / count - error[c]! ** 2) / Math.max(1, count - 1))),
    square: square.map((x) => x / count),
    slope: slope.map((x) => x / count),
    samples: count,
  }
}

interface Sums {
  readonly difference: number
  readonly energy: number
  readonly slope: number
}

/** Positions of a channel that lie side by side, of which every `stride`-th counts. */
interface Run {
  readonly inner: number
  readonly stride: number
}

/** Sums over the run that begins at a place of both values. */
type SumsFrom = (from: number) => Sums

function plainSums(a: Float32Array, b: Float32Array, { inner, stride }: Run): SumsFrom {
  return (from) => {
    let [difference, energy, slope] = [0, 0, 0]
    for (let at = from; at < from + inner; at += stride) {
      const x = a[at]!
      difference += b[at]! - x
      energy += x * x
      slope++
    }
    return { difference, energy, slope }
  }
}

/** The same of what is heard of both. */
function heardSums(heard: Reading, a: Float32Array, b: Float32Array, { inner, stride }: Run): SumsFrom {
  return (from) => {
    let [difference, energy, slope] = [0, 0, 0]
    for (let at = from; at < from + inner; at += stride) {
      const x = heard.at(a[at]!)
      const y = b[at]!
      difference += heard.at(y) - x
      energy += x * x
      slope += heard.slopeAt(y)
    }
    return { difference, energy, slope }
  }
}

/** √(Σ error² / Σ square): the share of the output that is a shift (arXiv 1906.03193). */
export function shiftRatio({ error, square }: Pick<MeanShift, 'error' | 'square'>): number {
  const energy = square.reduce((a, b) => a + b, 0)
  return energy > 0 ? Math.sqrt(error.reduce((a, b) => a + b * b, 0) / energy) : 0
}

/** Adds a number to each channel, in place: a value of a walk is as large as a layer's output on many samples. */
export function shiftInPlace(value: TensorValue, shift: Float64Array, place: ChannelPlace): void {
  const { data } = value
  if (!(data instanceof Float32Array)) return
  const { samples, channels, inner, outer } = layoutOf(value, place)
  let at = 0
  for (let row = 0; row < samples * outer; row++)
    for (let c = 0; c < channels; c++) {
      const by = shift[c]!
      for (const end = at + inner; at < end; at++) data[at]! += by
    }
}

/** Σ (f(b + shift) − f(a))² over all batches, f what is heard. */
export function squaredError(
  float: readonly TensorValue[],
  changed: readonly TensorValue[],
  place: ChannelPlace,
  { shift, heard }: { readonly shift: Float64Array; readonly heard?: Reading | undefined },
): number {
  let sum = 0
  for (const [batch, value] of float.entries()) {
    const other = changed[batch]
    if (!(value.data instanceof Float32Array) || !(other?.data instanceof Float32Array)) continue
    const [a, b] = [value.data, other.data]
    const { samples, channels, inner, outer } = layoutOf(value, place)
    const stride = strideOf(inner)
    let from = 0
    for (let row = 0; row < samples * outer; row++)
      for (let c = 0; c < channels; c++, from += inner) {
        const by = shift[c]!
        for (let at = from; at < from + inner; at += stride) {
          const e = heard ? heard.at(b[at]! + by) - heard.at(a[at]!) : b[at]! + by - a[at]!
          sum += e * e
        }
      }
  }
  return sum
}
