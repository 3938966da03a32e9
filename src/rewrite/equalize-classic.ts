// Classic cross-layer equalisation: equal weight ranges on both sides of every channel.
import { type ChannelGraph, type Model, nodeName, type Statistics } from '../onnx/index.ts'
import { PassLog } from './edit-pass.ts'
import { applyScales } from './equalize/apply-scales.ts'
import {
  columnRanges,
  isBound,
  type LayerRanges,
  largestOf,
  layerRanges,
  magnitudes,
  rowRanges,
  type ScaleClass,
  scaleClasses,
} from './equalize/classes.ts'
import { openGraph } from './equalize/open-graph.ts'
import { defineRewrite, type Rewrite, type RewriteContext, type RewriteResult } from './rewrite.ts'

export interface ClassicOptions {
  /** Sweeps over all classes at most; 1: the published single sweep. Default 40. */
  readonly sweeps?: number
  /** Sweeping ends when no factor is further from 1 than this, as a logarithm; below it nothing is changed. Default 1e-3. */
  readonly tolerance?: number
  /** Largest factor relative to the median of its class, and its reciprocal. Default 64. */
  readonly largestFactor?: number
  /** weights: equal weight ranges. activations: what layers read against their weights, for grids per channel. */
  readonly balance?: 'weights' | 'activations'
  /** Counts the bias into a writer's range. Off by default. */
  readonly includeBias?: boolean
  /** cap: exact, a Clip gets a bound for each channel. freeze: channels behind a Clip stay as they are. */
  readonly clip?: 'cap' | 'freeze'
}

/** What was done to one class of channels. */
export interface EqualizedClass {
  readonly writers: readonly string[]
  readonly consumers: readonly string[]
  /** Factors of its channels. */
  readonly factors: Float64Array
  /** Largest weight of its writers' rows, channel by channel, before and after. */
  readonly before: Float64Array
  readonly after: Float64Array
}

/**
 * Equalises weight ranges (arXiv 1906.04721, section 4.1; arXiv 1902.01917) over whole classes of channels: residual groups,
 * Concat segments, depthwise runs, shared consumers. Exact. Per class, with relative ranges ρw (largest over its writers) and
 * ρr (over its consumers): s = √(ρw/ρr); for one writer and one consumer the textbook's √(r1/r2). Swept to convergence; a sweep
 * that raises Σ ln R over the layers is repeated with √s. Channels with a range of 0 keep 1; statistics, where there are
 * any, keep activations from growing beyond twice the largest of their class.
 * @example
 * ```ts
 * const { model: equalized, classes } = equalizeClassic(model, { shapes, statistics: new Map() })
 * for (const { writers, consumers, factors } of classes) console.log(writers, consumers, factors)
 * ```
 */
export function equalizeClassic(
  model: Model,
  { shapes, statistics }: RewriteContext,
  options: ClassicOptions = {},
): RewriteResult & { readonly classes: readonly EqualizedClass[] } {
  const { clip = 'cap' } = options
  const graph = openGraph(model, shapes)
  const layers = graph.layers.flatMap((channels) => layerRanges(channels) ?? [])
  const frozen = new Set(clip === 'freeze' ? graph.clips.filter(isBound).flatMap(({ ids }) => [...ids]) : [])
  const classes = scaleClasses(graph, layers, frozen)
  const factors = sweep(graph, { layers, classes }, statistics, options)
  const skipped = closedReasons(graph, layers)
  if (factors.every((factor) => factor === 1)) return { model, statistics, changes: [], skipped, classes: [] }
  const log = new PassLog({ shapes, statistics })
  const scaled = applyScales(model, graph, factors, { shapes, log })
  const ones = new Float64Array(graph.size).fill(1)
  const names = (list: readonly LayerRanges[]) => list.map(({ channels }) => nodeName(channels.layer.node))
  return {
    model: scaled,
    statistics: log.statistics,
    changes: log.changes,
    skipped,
    classes: classes.map((each) => ({
      writers: names(each.writers),
      consumers: names(each.consumers.map(({ layer }) => layer)),
      factors: Float64Array.from(each.ids, (id) => factors[id] ?? 1),
      before: written(each, ones),
      after: written(each, factors),
    })),
  }
}

/** As a pass with the default options. */
export const equalizeClassicPass: Rewrite = defineRewrite({
  name: 'equalize-classic',
  kind: 'exact',
  summary: 'makes weight ranges equal on both sides of each channel',
  boundDb: 100,
  apply: (model, context) => equalizeClassic(model, context),
})

function sweep(
  graph: ChannelGraph,
  { layers, classes }: { readonly layers: readonly LayerRanges[]; readonly classes: readonly ScaleClass[] },
  statistics: Statistics,
  { sweeps = 40, tolerance = 1e-3, largestFactor = 64, balance = 'weights', includeBias = false }: ClassicOptions,
): Float64Array {
  const activations = magnitudes(graph, statistics)
  let factors = new Float64Array(graph.size).fill(1)
  const wholesOf = (at: Float64Array) => new Map(layers.map((layer) => [layer, largestOf(layer, at)]))
  const objective = (sizes: Wholes) =>
    [...sizes.values()].reduce((sum, whole) => sum + Math.log(Math.max(whole, 1e-300)), 0)
  let wholes = wholesOf(factors)
  for (let turn = 0; turn < sweeps; turn++) {
    const pass = (power: number) => {
      const next = factors.slice()
      let furthest = 0
      for (const each of classes) {
        const start = next.slice()
        const steps =
          balance === 'weights'
            ? weightSteps(each, next, wholes, includeBias)
            : activationSteps(each, next, wholes, activations)
        const logs = steps.map((step) => power * Math.log(step))
        for (const [c, id] of each.ids.entries()) {
          next[id] = (next[id] ?? 1) * Math.exp(logs[c] ?? 0)
        }
        guard(each, next, activations, largestFactor)
        for (const id of each.ids) furthest = Math.max(furthest, Math.abs(Math.log((next[id] ?? 1) / (start[id] ?? 1))))
      }
      return { next, furthest }
    }
    let { next, furthest } = pass(1)
    if (turn === 0 && furthest < tolerance) break
    let sizes = wholesOf(next)
    if (balance === 'weights' && objective(sizes) > objective(wholes) + 1e-9) {
      ;({ next, furthest } = pass(0.5))
      sizes = wholesOf(next)
    }
    factors = next
    wholes = sizes
    // A balance against activations is found at once: its right side does not depend on other classes.
    if (furthest < tolerance || balance === 'activations') break
  }
  return factors
}

/** Largest weight of each layer; relative ranges are shares of it. Absent: ranges are absolute. */
type Wholes = ReadonlyMap<LayerRanges, number>

/** Largest range of each channel of a class over the layers that write it. */
function written({ ids, writers }: ScaleClass, factors: Float64Array, wholes?: Wholes, bias = false): Float64Array {
  const found = new Map<number, number>()
  for (const layer of writers) {
    const whole = wholes?.get(layer) ?? 1
    for (const [o, range] of rowRanges(layer, factors).entries()) {
      const id = layer.channels.output[o] ?? 0
      const most = bias ? Math.max(range, (layer.bias[o] ?? 0) / (factors[id] ?? 1)) : range
      if (whole > 0) found.set(id, Math.max(found.get(id) ?? 0, most / whole))
    }
  }
  return Float64Array.from(ids, (id) => found.get(id) ?? 0)
}

/** Largest range of each channel of a class over the layers that read it. */
function read({ ids, consumers }: ScaleClass, factors: Float64Array, wholes?: Wholes): Float64Array {
  const found = new Map<number, number>()
  for (const { layer, positions } of consumers) {
    const whole = wholes?.get(layer) ?? 1
    for (const [index, range] of columnRanges(layer, positions, factors).entries()) {
      const id = layer.channels.input[positions[index] ?? 0] ?? 0
      if (whole > 0) found.set(id, Math.max(found.get(id) ?? 0, range / whole))
    }
  }
  return Float64Array.from(ids, (id) => found.get(id) ?? 0)
}

function weightSteps(each: ScaleClass, factors: Float64Array, wholes: Wholes, includeBias: boolean): Float64Array {
  // With one layer on each side absolute ranges are the textbook's formula.
  const relative = each.writers.length !== 1 || each.consumers.length !== 1
  const shares = relative ? wholes : undefined
  const columns = read(each, factors, shares)
  const ratios = written(each, factors, shares, includeBias).map((range, c) => range / (columns[c] ?? 0))
  // A factor for a whole class changes no relative range: it would only wander from sweep to sweep.
  const usual = relative ? median(ratios.filter((ratio) => step(ratio) !== 1)) : 1
  return ratios.map((ratio) => step(ratio / usual))
}

function activationSteps(
  each: ScaleClass,
  factors: Float64Array,
  wholes: Wholes,
  activations: Float64Array,
): Float64Array {
  const columns = read(each, factors, wholes)
  const made = Float64Array.from(each.ids, (id) => (activations[id] ?? 0) / (factors[id] ?? 1))
  const [usualRead, usualMade] = [median(columns), median(made)]
  return made.map((range, c) => step(range / usualMade / ((columns[c] ?? 0) / usualRead)))
}

/** √ratio; 1 where there is none. */
function step(ratio: number): number {
  return ratio > 0 && Number.isFinite(ratio) ? Math.sqrt(ratio) : 1
}

/** Keeps factors near the median of their class, and activations from growing. */
function guard({ ids }: ScaleClass, factors: Float64Array, activations: Float64Array, largest: number): void {
  const middle = median(Float64Array.from(ids, (id) => factors[id] ?? 1))
  const highest = ids.reduce((most, id) => Math.max(most, activations[id] ?? 0), 0)
  for (const id of ids) {
    const capped = Math.min(Math.max(factors[id] ?? 1, middle / largest), middle * largest)
    const needed = highest > 0 ? ((activations[id] ?? 0) * middle) / (2 * highest) : 0
    factors[id] = Math.max(capped, needed)
  }
}

function median(values: Float64Array): number {
  if (values.length === 0) return 1
  const sorted = values.toSorted()
  const half = Math.floor(sorted.length / 2)
  const upper = sorted[half] ?? 1
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? upper) + upper) / 2
}

/** Why layers keep their output channels, each reason once. */
function closedReasons(graph: ChannelGraph, layers: readonly LayerRanges[]): string[] {
  return layers.flatMap(({ channels: { layer, output } }) => {
    const why = graph.closed.get(output[0] ?? -1)
    return why === undefined ? [] : [`${nodeName(layer.node)}: ${why}`]
  })
}
