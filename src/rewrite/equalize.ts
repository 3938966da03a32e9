// Cross-layer equalisation: factors for channels chosen so that the noise of quantisation hurts least. The function is kept.
import { portable, type Watch } from '../base/index.ts'
import type { ChannelClip, ChannelGraph, Layer, Model, Shapes, Statistics } from '../onnx/index.ts'
import { PassLog } from './edit-pass.ts'
import { applyScales } from './equalize/apply-scales.ts'
import { chooseCaps } from './equalize/choose-caps.ts'
import { idleGains, insertGains, removeGains, withFreed } from './equalize/free-inputs.ts'
import { leastNoise } from './equalize/least-noise.ts'
import { layerNoise } from './equalize/noise-model.ts'
import { openGraph } from './equalize/open-graph.ts'
import { type KnownChannels, type NoiseGrids, noiseProblem } from './equalize/problem.ts'
import { reachesOf } from './equalize/reach.ts'
import { chooseVariables, isCapped, type Variables } from './equalize/variables.ts'
import { EXACT_BOUND_DB, type RewriteContext, type RewriteResult, type SlowRewrite } from './rewrite.ts'

/** Options of noise-model equalisation. */
export interface EqualizeOptions extends Watch {
  readonly weights: 'per-channel' | 'per-tensor'
  /** Bits of a layer's weight; default 8 for all. */
  readonly weightBits?: (layer: Layer) => number
  /** Bits of the activations; 0: they stay float. Default 8. */
  readonly activationBits?: number
  /**
   * hold: every Clip keeps one bound, which no channel that was seen below it will reach; nothing is added to the graph.
   * exact: channels are free, a Clip becomes Relu and a Min with a bound for each channel. Or the Clips to free, by output.
   */
  readonly clip?: 'hold' | 'exact' | ReadonlySet<string>
  /** Deviations around its mean that a channel is taken to keep to below a held cap. Default 4. */
  readonly deviations?: number
  /** Values without a grid: the layers that read them stay float, and have no noise. */
  readonly floatInputs?: ReadonlySet<string>
  /** May layers get a Mul by a vector in front of them, where what they read cannot be scaled otherwise? Default false. */
  readonly gains?: boolean
}

/**
 * Lowest SQNR in dB that equalisation with held caps may leave: the caps are held by what was seen of the samples. On random inputs
 * a held cap binds where statistics say that it never would.
 */
const HOLD_BOUND_DB = { samples: 38, random: 20 }

/** What a proof of equalisation asks for: the one place of its bounds. */
export function equalizeRule(
  clip: 'hold' | 'exact' | 'auto',
  on: 'samples' | 'random' | 'runs',
): Pick<SlowRewrite, 'name' | 'kind' | 'boundDb'> {
  if (clip === 'exact') return { name: 'equalize', kind: 'exact', boundDb: EXACT_BOUND_DB }
  return { name: 'equalize', kind: 'bounded', boundDb: HOLD_BOUND_DB[on === 'random' ? 'random' : 'samples'] }
}

/** What equalisation expects of its own result. */
export interface Equalized extends RewriteResult {
  /** Modelled noise power, relative to what it was before: below 1. */
  readonly predicted: number
  /** Products with a vector that were put in front of layers. */
  readonly gains: number
  /** Does a Clip keep one bound for channels with factors of their own? Without one the function is kept on all inputs. */
  readonly holdsCaps: boolean
  /** Values whose channels got factors other than 1. */
  readonly scaled: ReadonlySet<string>
  /** Modelled noise of each layer, before and after. */
  readonly layers: readonly { readonly name: string; readonly before: number; readonly after: number }[]
}

/**
 * Scales channels between layers (arXiv 1906.04721, section 4.1) with factors that minimise the modelled noise of weight and
 * activation grids instead of equalising ranges. Needs statistics (mean, deviation, minimum, maximum) of what layers read
 * and make. Bounded in the form "hold" (a channel may exceed what was seen of it by a tenth), exact otherwise.
 * @example
 * ```ts
 * const requests = channelRequests(model, shapes)
 * const statistics = await channelStatistics(runtime, model, batches, { requests, shapes, total: 64 })
 * const { model: equalized, predicted } = await equalize(model, shapes, statistics, { weights: 'per-tensor' })
 * console.log(predicted) // modelled noise power, 1 before
 * ```
 */
export async function equalize(
  model: Model,
  shapes: Shapes,
  statistics: Statistics,
  options: EqualizeOptions,
): Promise<Equalized> {
  const { clip = 'hold', deviations } = options
  const placed = options.gains
    ? insertGains(model, shapes, openGraph(model, shapes), options.floatInputs)
    : { model, shapes, freed: [] }
  const known = withFreed(statistics, placed.freed)
  const graph = openGraph(
    placed.model,
    placed.shapes,
    placed.freed.map(({ scaled }) => scaled),
  )
  const policyOf = ({ node }: ChannelClip) =>
    clip === 'exact' || (clip !== 'hold' && clip.has(node.outputs[0] ?? '')) ? 'free' : 'hold'
  const reaches = reachesOf(placed.model, known, deviations === undefined ? undefined : () => deviations)
  const variables = chooseVariables(graph, known, policyOf, reaches)
  const solved = await solve({ model: placed.model, graph, statistics: known }, variables, options)
  if (!solved)
    return {
      model,
      statistics,
      changes: [],
      skipped: closedWhy(graph),
      predicted: 1,
      gains: 0,
      holdsCaps: false,
      scaled: new Set(),
      layers: [],
    }
  const { at, layers, predicted } = solved
  const u = variables.spread(at)
  const idle = idleGains(graph, placed.freed, layers)
  const unscaled = new Set(idle.flatMap(({ scaled }) => [...(graph.of(scaled)?.ids ?? [])]))
  const factors = new Float64Array(graph.size).fill(1)
  for (let channel = 0; channel < graph.size; channel++) {
    const index = variables.dense(channel)
    if (index >= 0 && !unscaled.has(channel)) factors[channel] = portable.exp(u[index] ?? 0)
  }
  const log = new PassLog({ shapes: placed.shapes, statistics: known })
  const scaled = applyScales(placed.model, graph, factors, {
    shapes: placed.shapes,
    log,
    capFactor: (clip) => (isCapped(clip) ? variables.capFactor(clip, at) : undefined),
  })
  return {
    model: log.changes.length === 0 ? model : removeGains(scaled, idle),
    statistics: log.statistics,
    changes: log.changes,
    skipped: closedWhy(graph),
    predicted,
    gains: placed.freed.filter((each) => each.value !== each.scaled && !idle.includes(each)).length,
    holdsCaps: graph.clips.some((each) => isCapped(each) && policyOf(each) === 'hold'),
    scaled: new Set([...known.keys()].filter((value) => graph.of(value)?.ids.some((id) => factors[id] !== 1))),
    layers,
  }
}

/** What the noise model is told of the grids. */
export const noiseGrids = ({
  weights,
  weightBits = () => 8,
  activationBits = 8,
  floatInputs = new Set(),
}: EqualizeOptions): NoiseGrids => ({
  weights,
  weightBits,
  activationBits,
  floatInputs,
})

/** The free numbers that leave least noise, and that of each layer; undefined where nothing is free. */
async function solve(
  known: KnownChannels,
  variables: Variables,
  options: EqualizeOptions,
): Promise<(Pick<Equalized, 'layers' | 'predicted'> & { readonly at: Float64Array }) | undefined> {
  if (variables.count === 0) return undefined
  const { layers, tensors } = noiseProblem(known, noiseGrids(options), variables.dense)
  if (layers.length === 0) return undefined
  const { at, share } = await leastNoise(layers, tensors, variables, options)
  const [before, after] = [variables.start, at].map((numbers) => layerNoise(layers, variables.spread(numbers)))
  return {
    at,
    predicted: share,
    layers: layers.map(({ name }, i) => ({ name, before: before?.[i] ?? 0, after: after?.[i] ?? 0 })),
  }
}

/**
 * The Clips whose caps are worth freeing: both forms are modelled, and `timeOf` tells what an integer Min on a value costs.
 */
export async function capsWorthFreeing(
  model: Model,
  { shapes, statistics }: RewriteContext,
  options: Omit<EqualizeOptions, 'clip'>,
  timeOf: (value: string) => Promise<number>,
): Promise<ReadonlySet<string>> {
  const held = await equalize(model, shapes, statistics, { ...options, clip: 'hold' })
  const free = await equalize(model, shapes, statistics, { ...options, clip: 'exact' })
  const after = new Map(free.layers.map((layer) => [layer.name, layer.after]))
  return chooseCaps(
    openGraph(model, shapes),
    held.layers.map(({ name, after: noise }) => ({ name, held: noise, free: after.get(name) ?? noise })),
    timeOf,
  )
}

/** What keeps channels of layers from being scaled, each reason once. */
function closedWhy(graph: ChannelGraph): string[] {
  const reasons = new Map<string, number>()
  for (const { output } of graph.layers) {
    const why = graph.closed.get(output[0] ?? -1)
    if (why !== undefined) reasons.set(why, (reasons.get(why) ?? 0) + 1)
  }
  return [...reasons].map(([why, count]) => `${count} ${count === 1 ? 'layer' : 'layers'} not equalised: ${why}`)
}

/** Noise-model equalisation as a pass, for the grids that `quantize` uses by default: per-channel weights, 8 bits, held caps. */
export const equalizePass: SlowRewrite = {
  ...equalizeRule('hold', 'samples'),
  summary: 'scales channels between layers so that the noise of quantisation hurts least',
  needs: 'statistics',
  apply: (model, { shapes, statistics }) => equalize(model, shapes, statistics, { weights: 'per-channel' }),
}
