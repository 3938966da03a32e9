// Which input channels of layers are outliers: the few that alone decide the steps of all others, however channels are scaled.
import type { ChannelGraph, Layer, Model, Shapes } from '../../onnx/index.ts'
import { fewerRows, type NoiseLayer, pairEnergy } from '../equalize/noise-model.ts'
import { lastAxisLayers } from '../equalize/open-graph.ts'
import type { KnownChannels } from '../equalize/problem.ts'

/** Channels that may go apart: at most so many, and at most this share of all. */
const MOST = 16
const LARGEST_SHARE = 1 / 16
/** What they must take of the noise of the layers that read them: 3 dB. A product, a sum and a selection are not free. */
const MOST_LEFT = 0.5
/** More channels must bring this much of what they leave: 1 dB for twice as many. */
const MORE_LEFT = 0.79
/** Layers with fewer outputs are too small for a second product. */
const LEAST_OUTPUTS = 32

/** A value, its outlier channels in ascending order, and the layers that read them. */
export interface OutlierSite {
  readonly value: string
  readonly channels: readonly number[]
  readonly layers: readonly Layer[]
}

/** @param noise the layers as the noise model sees them, by their name */
export function chooseOutliers(
  { model, graph, statistics }: KnownChannels,
  shapes: Shapes,
  noise: ReadonlyMap<string, NoiseLayer>,
): OutlierSite[] {
  const sites: OutlierSite[] = []
  for (const [value, layers] of layersByInput(model, shapes, graph)) {
    const read = layers.flatMap(({ name }) => noise.get(name) ?? [])
    const seen = statistics.get(value)
    if (read.length !== layers.length || !seen?.min || !seen.max) continue
    const ends = { low: Float64Array.from(seen.min), high: Float64Array.from(seen.max) }
    const channels = fewest(read, ends)
    if (channels) sites.push({ value, layers, channels })
  }
  return sites
}

/** How many of some channels may be outliers. */
const mostOf = (count: number) => Math.min(MOST, Math.floor(count * LARGEST_SHARE))

/** Layers that are large enough to have outliers, by the value whose last axis they read. */
export function layersByInput(model: Model, shapes: Shapes, graph: ChannelGraph): Map<string, readonly Layer[]> {
  return lastAxisLayers(
    model,
    shapes,
    graph,
    ({ layer, input }) => (layer.view?.outputs ?? 0) >= LEAST_OUTPUTS && mostOf(input.length) >= 1,
  )
}

interface Ends {
  readonly low: Float64Array
  readonly high: Float64Array
}

/** The fewest channels without which the rest is quiet; undefined when no few make the difference. */
function fewest(all: readonly NoiseLayer[], ends: Ends): readonly number[] | undefined {
  const [{ inputVariable: { length: count = 0 } = [] } = {}] = all
  const columns = columnsOf(all, count)
  const layers = all.map(fewerRows)
  const size = (c: number) => Math.max(-(ends.low[c] ?? 0), ends.high[c] ?? 0)
  // Scaling moves a channel's size between value and weight; their product stays.
  const ranked = Array.from({ length: count }, (_, c) => c).sort(
    (a, b) => size(b) * (columns.largest[b] ?? 0) - size(a) * (columns.largest[a] ?? 0) || a - b,
  )
  const most = mostOf(count)
  const together = leastNoise(layers, columns, ends, new Set())
  let best: { readonly channels: readonly number[]; readonly noise: number } | undefined
  for (let k = 1; k <= most; k *= 2) {
    const channels = ranked.slice(0, k)
    const noise = leastNoise(layers, columns, ends, new Set(channels))
    if (noise < (best ? MORE_LEFT * best.noise : MOST_LEFT * together)) best = { channels, noise }
  }
  return best?.channels.toSorted((a, b) => a - b)
}

interface Columns {
  /** Largest weight that reads each channel, and what a unit of noise in it costs. */
  readonly largest: Float64Array
  readonly cost: Float64Array
}

function columnsOf(layers: readonly NoiseLayer[], count: number): Columns {
  const [largest, cost] = [new Float64Array(count), new Float64Array(count)]
  for (const layer of layers)
    for (let o = 0; o < layer.outputs; o++)
      for (let c = 0; c < count; c++) {
        const at = o * count + c
        if (layer.largest[at]! > largest[c]!) largest[c] = layer.largest[at]!
        cost[c]! += (layer.importance[o] ?? 1) * pairEnergy(layer, at)
      }
  return { largest, cost }
}

/** Powers of range ÷ weight that factors are tried with: 0 leaves all as they are, ½ brings both to one size. */
const POWERS = [0, 0.2, 0.35, 0.5, 0.65, 0.8]

/** Modelled noise with the best factors of one family, some channels left out. */
function leastNoise(layers: readonly NoiseLayer[], columns: Columns, ends: Ends, without: ReadonlySet<number>): number {
  const { largest, cost } = columns
  const size = (c: number) => Math.max(-(ends.low[c] ?? 0), ends.high[c] ?? 0)
  let least = Number.POSITIVE_INFINITY
  for (const power of POWERS) {
    const factors = Float64Array.from(largest, (w, c) =>
      without.has(c) || !(w * size(c) > 0) ? 0 : (size(c) / w) ** power,
    )
    let [low, high, energy] = [0, 0, 0]
    for (const [c, s] of factors.entries()) {
      if (s === 0) continue
      low = Math.min(low, (ends.low[c] ?? 0) / s)
      high = Math.max(high, (ends.high[c] ?? 0) / s)
      energy += s * s * (cost[c] ?? 0)
    }
    const step = (high - low) / (layers[0]?.inputSteps ?? 255)
    const noise = layers.reduce((sum, layer) => sum + weightNoise(layer, factors), (step * step * energy) / 12)
    least = Math.min(least, noise)
  }
  return least
}

/** Σ_o I_o Δ_o²/12 · Σ_c V_c s_c⁻² with Δ_o the step of a row, or of the weight. */
function weightNoise(
  { outputs, largest, importance, variance, weightSteps, perChannel }: NoiseLayer,
  factors: Float64Array,
): number {
  const count = factors.length
  let inputs = 0
  for (const [c, s] of factors.entries()) if (s > 0) inputs += variance[c]! / (s * s)
  const rows = new Float64Array(outputs)
  for (let o = 0; o < outputs; o++) {
    let top = 0
    for (let c = 0, at = o * count; c < count; c++, at++) {
      const scaled = largest[at]! * factors[c]!
      if (scaled > top) top = scaled
    }
    rows[o] = top
  }
  const widest = rows.reduce((most, row) => Math.max(most, row), 0)
  let noise = 0
  for (const [o, row] of rows.entries()) {
    const step = (perChannel ? row : widest) / weightSteps
    noise += ((importance[o] ?? 1) * step * step) / 12
  }
  return noise * inputs
}
