// Why a layer is noisy, in the field's words, from its weight, its grid and what the channels of its values do; and what helps.
import type { ChannelStatistics, Layer } from '../../onnx/index.ts'
import type { ActivationGrid } from '../../quantize/index.ts'
import { rowReach, standsAlone } from './alone.ts'
import type { CauseName, Diagnosis, LayerNoise } from './run.ts'

/** A channel this many times larger than the median of all takes the steps of the others. */
const OUTLIER = 6
/** Share of its range that a value exceeds its grid by before that counts as clipping. */
const CLIPPED = 0.1
/** Steps in a deviation of a grid that still tells values apart. */
const LEAST_STEPS = 3
/** How many times smaller one side of a sum is before it drowns. */
const DROWNS = 8
/** A mean this many deviations away from 0 is an offset rather than a signal. */
const OFFSET = 4

/** What is known of a value with a grid. */
export interface Facts {
  readonly value: string
  readonly grid: ActivationGrid
  readonly channels: ChannelStatistics | undefined
}

/** What a diagnosis looks at. */
export interface Symptoms {
  readonly name: string
  readonly op: string
  readonly noise: LayerNoise
  readonly layer: Layer | undefined
  readonly weightBits: number
  readonly perTensor: boolean
  readonly values: readonly Facts[]
  /** Root mean squares of what a sum adds. */
  readonly addends: readonly number[]
  /** Milliseconds that the layer takes more in float. */
  readonly floatMs: number
}

type Found = Omit<Diagnosis, 'cause'> & { readonly cause: CauseName }

/** The first cause that the figures show, weights before activations where they bring more of the noise. */
export function diagnose(symptoms: Symptoms): Diagnosis {
  const { weights, activations } = symptoms.noise
  const inWeights = () => ofWeights(symptoms)
  const inActivations = () => ofActivations(symptoms)
  const [first, second] = weights > activations ? [inWeights, inActivations] : [inActivations, inWeights]
  const found = first()
  const damaged = alone(symptoms)
  if (found?.cause === 'clipped range') return found
  if (found)
    return found.channel !== undefined && found.channel === damaged?.channel
      ? { ...found, damaged: true }
      : (damaged ?? found)
  if (damaged) return damaged
  const other = Math.min(weights, activations) > 0.1 * Math.max(weights, activations) ? second() : undefined
  return other ?? rounding(symptoms)
}

/** A channel whose constants lie far beyond all others of the layer. */
function alone({ layer, name, values }: Symptoms): Found | undefined {
  const loud = values.flatMap(({ channels }) => (channels ? (outlierOf(channels) ?? []) : []))[0]
  const found = layer && standsAlone(layer, loud?.channel)
  if (!found) return undefined
  const { of, channel, times } = found
  const cause = of === 'bias' ? 'moved bias' : 'outlier channel'
  return {
    cause,
    channel,
    detail: `channel ${channel} of the ${of} of ${name} reaches ${times.toFixed(0)} times as far as any other: it looks damaged, or belongs in a layer of its own`,
    remedy: `compare it with the file that the model came from; if it is meant so, --techniques absorb-bias,equalize`,
    bytes: 0,
    ms: 0,
    damaged: true,
  }
}

function ofWeights({ layer, weightBits, perTensor, name }: Symptoms): Found | undefined {
  if (!layer?.view) return undefined
  const reach = rowReach(layer)
  const worst = outlier(reach)
  if (perTensor && worst)
    return {
      cause: 'outlier channel',
      channel: worst.channel,
      detail: `output channel ${worst.channel} of the weight of ${name} reaches ${worst.times.toFixed(0)} times as far as the median channel, and all share one scale`,
      remedy: '--weights per-channel',
      bytes: 5 * (reach.length - 1),
      ms: 0,
    }
  if (weightBits >= 8) return undefined
  return {
    cause: 'few bits',
    detail: `the weight of ${name} has ${weightBits} bits`,
    remedy: `--keep-8bit ${name}`,
    bytes: Math.ceil(layer.weight.size / 2),
    ms: 0,
  }
}

function ofActivations(symptoms: Symptoms): Found | undefined {
  for (const look of [clipped, wideChannel, dead, drowned])
    for (const facts of symptoms.values) {
      const found = look(facts, symptoms)
      if (found) return found
    }
  return undefined
}

function clipped({ value, grid: { low, high, observed, method } }: Facts): Found | undefined {
  // A min-max range is only narrower than what was seen where no reader hears the rest.
  if (!observed || method === 'minmax') return undefined
  const beyond = Math.max(observed.max - high, low - observed.min)
  if (!(beyond > CLIPPED * (high - low))) return undefined
  return {
    cause: 'clipped range',
    detail: `"${value}" reaches from ${short(observed.min)} to ${short(observed.max)} on the samples, its grid from ${short(low)} to ${short(high)}`,
    remedy: `--overrides with { "${value}": { "range": [${short(observed.min)}, ${short(observed.max)}] } }`,
    bytes: 0,
    ms: 0,
  }
}

function wideChannel({ value, channels }: Facts, { layer, name, floatMs }: Symptoms): Found | undefined {
  if (!channels?.min || !channels.max) return undefined
  const { min, max, mean, deviation } = channels
  const worst = outlierOf(channels)
  if (!worst) return undefined
  const { channel, times } = worst
  const bias = Math.abs(layer?.bias?.floats()[channel] ?? 0)
  const shift = Math.abs(mean[channel] ?? 0)
  const reach = Math.max(max[channel] ?? 0, -(min[channel] ?? 0))
  if (bias >= reach / 2 || (bias > 0 && shift > OFFSET * (deviation[channel] ?? 0)))
    return {
      cause: 'moved bias',
      channel,
      detail: `the bias of channel ${channel} of ${name} is ${short(layer?.bias?.floats()[channel] ?? 0)}: "${value}" lies around ${short(mean[channel] ?? 0)} there, ${times.toFixed(0)} times as far out as the median channel`,
      remedy: '--techniques absorb-bias,equalize, or train that bias again',
      bytes: 0,
      ms: 0,
    }
  return {
    cause: 'outlier channel',
    channel,
    detail: `channel ${channel} of "${value}" reaches ${times.toFixed(0)} times as far as the median channel: the others have ${Math.max(1, Math.round(255 / times))} of 255 steps`,
    remedy: '--techniques separate-outliers,equalize',
    bytes: 4 * (layer?.view?.outputs ?? 0),
    ms: floatMs / Math.max(1, min.length),
  }
}

function dead({ value, grid, channels }: Facts, { floatMs, layer }: Symptoms): Found | undefined {
  const step = grid.params.scale[0] ?? 1
  if (!channels) return undefined
  const steps = totalDeviation(channels) / step
  if (!(steps < LEAST_STEPS)) return undefined
  return {
    cause: 'dead grid',
    detail: `the deviation of "${value}" is ${steps.toFixed(1)} steps of its grid: most values share a few codes`,
    remedy: `--range percentile, or --overrides with { "${value}": { "float": true } }`,
    bytes: 3 * (layer?.weight.size ?? 0),
    ms: floatMs,
  }
}

function drowned({ value }: Facts, { op, addends, floatMs }: Symptoms): Found | undefined {
  const [small = 0, large = 0] = [Math.min(...addends), Math.max(...addends)]
  if (op !== 'Add' || addends.length < 2 || !(large > DROWNS * small)) return undefined
  return {
    cause: 'small signal under a residual',
    detail: `"${value}" adds ${short(small)} to ${short(large)} (root mean squares): the steps of the sum are those of the larger`,
    remedy: `--overrides with { "${value}": { "float": true } }`,
    bytes: 0,
    ms: floatMs,
  }
}

function rounding({ name, layer, floatMs, op, values }: Symptoms): Found {
  const [first] = values
  return {
    cause: 'rounding',
    detail: `no channel and no range of ${name} stands out: what is left is the rounding of ${op === 'Input' ? 'the input' : 'its grids'}`,
    remedy: layer || !first ? `--exclude ${name}` : `--overrides with { "${first.value}": { "float": true } }`,
    bytes: 3 * (layer?.weight.size ?? 0),
    ms: floatMs,
  }
}

/**
 * The part of the weight noise of a layer that an outlier channel of what it reads brings: rounding errors of a channel's weights are
 * multiplied by the channel. None where no channel stands out.
 */
export function shareOfOutlier(channels: ChannelStatistics): number {
  const { mean, deviation } = channels
  const worst = outlierOf(channels)
  if (!worst) return 0
  const power = (c: number) => (mean[c] ?? 0) ** 2 + (deviation[c] ?? 0) ** 2
  const all = mean.reduce((sum, _, c) => sum + power(c), 0)
  return all > 0 ? power(worst.channel) / all : 0
}

/** Largest absolute value of each channel. */
export function reachOf({ min, max }: ChannelStatistics): Float64Array {
  return Float64Array.from(max ?? [], (high, c) => Math.max(high, -(min?.[c] ?? 0)))
}

interface Outlier {
  readonly channel: number
  /** How many times as far as the median channel it reaches. */
  readonly times: number
}

/** The outlier channel of a value, where it has one. */
export const outlierOf = (channels: ChannelStatistics): Outlier | undefined => outlier(reachOf(channels))

/** The channel that reaches far beyond the median of all. */
function outlier(reach: Float64Array): Outlier | undefined {
  if (reach.length < 4) return undefined
  const median = reach.toSorted()[Math.floor(reach.length / 2)] ?? 0
  const channel = reach.reduce((best, value, at) => (value > (reach[best] ?? 0) ? at : best), 0)
  const times = (reach[channel] ?? 0) / Math.max(median, 1e-12)
  return times >= OUTLIER ? { channel, times } : undefined
}

/** Deviation of all values around their common mean. */
function totalDeviation({ mean, deviation }: ChannelStatistics): number {
  const count = Math.max(1, mean.length)
  const middle = mean.reduce((sum, value) => sum + value, 0) / count
  let variance = 0
  for (const [c, own] of deviation.entries()) variance += own ** 2 + ((mean[c] ?? 0) - middle) ** 2
  return Math.sqrt(variance / count)
}

const short = (value: number) => Number(value.toPrecision(3)).toString()
