// Ranges and channel statistics of a model that was never shown a sample: β ± kγ, carried through the graph.
import { UnsupportedError } from '../base/index.ts'
import type { TensorStatistics } from '../calibrate/index.ts'
import {
  anyBounds,
  type Bounds,
  bothBounds,
  boundsRules,
  type ChannelStatistics,
  constantsOf,
  factsOf,
  flowChannels,
  type Model,
  type Shapes,
  type Statistics,
} from '../onnx/index.ts'
import { channelMoments, type Moments } from './expectation/moments.ts'

export interface WithoutDataOptions {
  readonly shapes: Shapes
  /**
   * Deviations around the mean that a range holds: 4 when biases are corrected afterwards, else 6. At least 6 where only a
   * Relu bounds the value, at least 8 where nothing does: tails of sums of rectified values are long, and a grid that is
   * twice as coarse costs less than what it would cut off.
   */
  readonly deviations: number
  /** Graph input → what its channels hold, from the preprocessing: one entry a channel, or one for all. */
  readonly inputs?: ReadonlyMap<string, readonly Bounds[]>
  /** Values whose range must be known. */
  readonly wanted: Iterable<string>
}

export interface StatisticsWithoutData {
  /** As calibration would give them, for `makePlan`. */
  readonly tensors: ReadonlyMap<string, TensorStatistics>
  /** Mean, deviation and likely range of every value whose channels are known, for equalisation and correction. */
  readonly channels: Statistics
}

/**
 * What BatchNormalization knew, instead of samples. A pre-activation lies within β ± k|γ| (and what is proved of it); Relu,
 * Clip and other functions, sums, Concat, pools and movements pass that on; sums of Gaussians take their deviations as
 * independent.
 * @param statistics of this very model, from the folding of its BatchNormalizations
 * @throws UnsupportedError when there are none, or a wanted value stays unknown, with what would help
 */
export function statisticsWithoutData(
  model: Model,
  statistics: Statistics,
  options: WithoutDataOptions,
): StatisticsWithoutData {
  if (statistics.size === 0)
    throw new UnsupportedError(
      'the model has no BatchNormalization whose statistics could stand for samples; calibrate it on samples (--data)',
    )
  const { shapes, deviations, inputs = new Map<string, readonly Bounds[]>() } = options
  const moments = channelMoments(model, shapes, statistics)
  const atLeast = fewestDeviations(model)
  const facts = flowChannels(
    {
      nodes: model.graph.nodes,
      inputs: model.graph.inputs.map((input) => input.name),
      constants: constantsOf(model.graph),
      shapes,
    },
    {
      ...boundsRules,
      refine: (value, bounds) => {
        const given = inputs.get(value)
        if (given) return bounds.map((_, c) => given[given.length === bounds.length ? c : 0] ?? anyBounds)
        const known = statistics.get(value)
        const found = moments(value)
        const k = Math.max(deviations, atLeast(value))
        return bounds.map((each, c) => bothBounds(each, likely(known, found?.[c], c, k)))
      },
    },
  )
  const tensors = new Map<string, TensorStatistics>()
  const channels = new Map<string, ChannelStatistics>()
  const values = [...model.graph.inputs.map(({ name }) => name), ...model.graph.nodes.flatMap((node) => node.outputs)]
  for (const value of values) {
    const [bounds, found] = [facts(value), moments(value)]
    if (!bounds?.every(({ low, high }) => Number.isFinite(low) && Number.isFinite(high))) continue
    const min = Float64Array.from(bounds, ({ low }) => low)
    const max = Float64Array.from(bounds, ({ high }) => high)
    const mean = min.map((low, c) => known(found?.[c]?.mean) ?? (low + (max[c] ?? 0)) / 2)
    tensors.set(value, {
      count: 1,
      nonFinite: 0,
      zeros: 0,
      min: min.reduce((a, b) => Math.min(a, b)),
      max: max.reduce((a, b) => Math.max(a, b)),
    })
    // A variance that no rule gives is taken from the range: 2·deviations wide for what is close to a Gaussian.
    const deviation = min.map((low, c) => {
      const variance = known(found?.[c]?.variance)
      return variance === undefined ? ((max[c] ?? 0) - low) / (2 * deviations) : Math.sqrt(variance)
    })
    channels.set(value, { mean, deviation, min, max, source: 'batch-norm' })
  }
  const unknown = [...options.wanted].filter((value) => !tensors.has(value))
  if (unknown.length > 0) throw new UnsupportedError(whyUnknown(model, unknown))
  return { tensors, channels }
}

const known = (x: number | undefined) => (x === undefined || Number.isNaN(x) ? undefined : x)

/** How many deviations a pre-activation must be given, by what bounds it behind: a cap none, a Relu 6, nothing 8. */
function fewestDeviations(model: Model): (value: string) => number {
  const constants = constantsOf(model.graph)
  const needed = new Map<string, number>()
  for (const node of model.graph.nodes) {
    const bounds = factsOf(node).bounds?.(node, constants)
    const [low = false, high = false] = bounds ? [Number.isFinite(bounds.low), Number.isFinite(bounds.high)] : []
    const fewest = low && high ? 0 : low || high ? 6 : 8
    for (const input of node.inputs) needed.set(input, Math.max(needed.get(input) ?? 0, fewest))
  }
  for (const { name } of model.graph.outputs) needed.set(name, 8)
  return (value) => needed.get(value) ?? 8
}

/** Mean ± k deviations: of the statistics, or of a Gaussian (clipped) that was carried here. */
function likely(
  statistics: ChannelStatistics | undefined,
  moments: Moments | undefined,
  channel: number,
  k: number,
): Bounds {
  if (statistics) {
    const [mean, deviation] = [statistics.mean[channel] ?? 0, statistics.deviation[channel] ?? 0]
    return { low: mean - k * deviation, high: mean + k * deviation }
  }
  const normal = moments?.normal
  if (!normal || Number.isNaN(normal.mean + normal.deviation)) return anyBounds
  const clamp = (x: number) => Math.min(Math.max(x, normal.low), normal.high)
  return { low: clamp(normal.mean - k * normal.deviation), high: clamp(normal.mean + k * normal.deviation) }
}

function whyUnknown(model: Model, unknown: readonly string[]): string {
  const input = unknown.find((value) => model.graph.inputs.some(({ name }) => name === value))
  if (input)
    return `the range of the graph input "${input}" is not known without data; give its preprocessing (--preprocess), or samples (--data)`
  const list = unknown.slice(0, 5).map((value) => `"${value}"`)
  const more = unknown.length > 5 ? ` and ${unknown.length - 5} more` : ''
  return `the ranges of ${list.join(', ')}${more} cannot be found from BatchNormalization's statistics; calibrate on samples (--data), or exclude what reads them`
}

/** How pixels become a model's input: (pixel·scale − mean) / std, one value or one a channel. */
export interface PixelScaling {
  readonly scale?: number | readonly number[]
  readonly mean?: number | readonly number[]
  readonly std?: number | readonly number[]
}

/** What each channel of a picture's tensor can hold, for pixels 0 to 255. */
export function pixelBounds({ scale = 1, mean = 0, std = 1 }: PixelScaling): Bounds[] {
  const lists = [scale, mean, std].map((setting) => [setting].flat())
  const at = (list: readonly number[] | undefined, c: number, none: number) => list?.[list.length === 1 ? 0 : c] ?? none
  return Array.from({ length: Math.max(...lists.map((list) => list.length)) }, (_, c) => {
    const [s, m, d] = [at(lists[0], c, 1), at(lists[1], c, 0), at(lists[2], c, 1)]
    const ends = [-m / d, (255 * s - m) / d]
    return { low: Math.min(...ends), high: Math.max(...ends) }
  })
}
