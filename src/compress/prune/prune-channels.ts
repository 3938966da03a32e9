// Channel pruning as a whole: find what can go, rank it, choose under a budget, take it out, fit what is left.
import { InputError, RefusedError, throwIfCancelled, type Watch } from '../../base/index.ts'
import type { Spill } from '../../calibrate/index.ts'
import type { Products } from '../../math/index.ts'
import type { Model, Shapes } from '../../onnx/index.ts'
import { observeShapes, type Runtime, type Values } from '../../runtime/index.ts'
import type { LayerChoice } from '../candidates.ts'
import { type CostModel, macs, wholeShape } from '../cost.ts'
import type { FittedLayer } from '../fit-split.ts'
import { type FitProducts, fitProducts } from '../fit-steps.ts'
import { type CompressibleLayer, surveyLayers } from '../layers.ts'
import { refitModel } from '../refit.ts'
import { channelsToKeep } from './channels-to-keep.ts'
import { provenGroups } from './check-cut.ts'
import { unreadChannels } from './consumers.ts'
import { CostBook } from './cost-book.ts'
import { type ClosedLayer, type PruningGroups, valueSets, wholeSteps } from './groups.ts'
import { type PruningOrder, rankChannels } from './order.ts'
import { type PrunePlan, planPruning } from './plan.ts'
import type { PruningProblem } from './problem.ts'
import { keptOutputs, removeChannels } from './remove-channels.ts'

export interface PruningOptions extends Watch {
  readonly order?: PruningOrder
  /** What the choice counts; multiplications unless given. */
  readonly cost?: CostModel
  /** Layers that stay exactly as they are. */
  readonly keepLayers?: ReadonlySet<string>
  readonly seed?: number
  /** Output positions taken of each sample, at most. */
  readonly perSample?: number
}

export interface PreparePruningOptions extends PruningOptions {
  readonly products: Products
  /** Observed shapes. */
  readonly shapes: Shapes
  /** Batches that the order is found on; none are needed for magnitude. */
  readonly samples: readonly Values[]
  /** One sample, on which cuts are tried. */
  readonly sample: Values
}

const POSITIONS = 64

/** Finds and ranks the channels of a model. */
export async function preparePruning(
  runtime: Runtime,
  model: Model,
  options: PreparePruningOptions,
): Promise<PruningProblem> {
  const { products, shapes, samples, sample } = options
  const { order = 'backward', cost = macs, keepLayers = new Set(), seed = 0, perSample = POSITIONS } = options
  const watch: Watch = { progress: options.progress, signal: options.signal }
  const found = await provenGroups(runtime, { model, shapes, feeds: sample }, keepLayers)
  throwIfCancelled(watch.signal)
  const book = new CostBook({ model, shapes, graph: found.graph }, cost)
  const { layers } = surveyLayers(model, shapes)
  const { ranked, notes } = await rankChannels(runtime, model, found, {
    ...watch,
    ...{ products, layers, samples },
    shapes,
    seed,
    perSample,
    order,
    saving: ({ channels }) => book.saving(channels.slice(0, 1)),
  })
  const open = new Set(found.groups.flatMap(({ channels }) => channels))
  const free = unreadChannels(found.graph.layers, open)
  return { ...found, model, shapes, ranked, free, notes, sets: valueSets(model, found.graph) }
}

export interface PlanOptions {
  readonly cost?: CostModel
  readonly multiple?: number
  /** The cost that ratios are shares of; that of the model unless given. */
  readonly whole?: number
}

/** Plans for shares of the cost; the smallest share in reach where one is not. */
export function pruningPlans(
  problem: PruningProblem,
  ratios: readonly number[],
  { cost = macs, multiple = 1, whole }: PlanOptions = {},
): (PrunePlan | number)[] {
  const { model, shapes, graph, groups, ranked, sets, free } = problem
  const book = () => new CostBook({ model, shapes, graph }, cost, whole)
  const limits = { multiple, sets, free: wholeSteps(groups, free, multiple) }
  return ratios.map((ratio) => planPruning(book(), ranked, ratio, limits))
}

export interface CutOptions extends Watch {
  readonly products: FitProducts
  /** Samples to fit on; without any nothing is fitted. */
  readonly samples: readonly Values[]
  /** One sample, on which the result is run. */
  readonly sample: Values
  readonly seed?: number
  readonly perSample?: number
  readonly spill?: Spill
  /** Layers that may be fitted; all unless given. */
  readonly fit?: (name: string) => boolean
  /** Layers that are split besides. */
  readonly choices?: ReadonlyMap<string, LayerChoice>
}

/**
 * Takes channels out and fits every layer, in graph order, to give from what is left what the whole network has there.
 * Without samples nothing is fitted. The result has run on `sample`.
 */
export async function cutAndRefit(
  runtime: Runtime,
  { model, shapes, graph }: Pick<PruningProblem, 'model' | 'shapes' | 'graph'>,
  removed: ReadonlySet<number>,
  options: CutOptions,
): Promise<{ readonly model: Model; readonly layers: readonly FittedLayer[] }> {
  const { samples, sample, seed = 0, perSample = POSITIONS, fit = () => true, choices = new Map(), ...rest } = options
  const start = removeChannels(model, shapes, removed, graph)
  const observed = await observeShapes(runtime, start, sample, 'the pruned model')
  const left = surveyLayers(start, observed).layers
  const kept = keptOutputs(graph, removed)
  const before = surveyLayers(model, shapes).layers
  if (samples.length === 0)
    return { model: start, layers: left.map(({ name }) => described({ name, error: 0 }, before, left)) }
  const fitting = left.filter(({ name }) => fit(name))
  const result = await refitModel(runtime, model, {
    ...rest,
    ...{ layers: fitting, plan: choices, batches: samples },
    shapes,
    seed,
    perSample,
    pruned: { model: start, kept },
  })
  await observeShapes(runtime, result.model, sample, 'the pruned model')
  return { model: result.model, layers: result.layers.map((layer) => described(layer, before, left)) }
}

/** What of a layer's outputs and inputs is left. */
function described(
  { channels, ...layer }: FittedLayer,
  before: readonly CompressibleLayer[],
  after: readonly CompressibleLayer[],
): FittedLayer {
  const [a, b] = [before, after].map((layers) => layers.find(({ name }) => name === layer.name))
  const [whole, left] = [a, b].map((layer) => layer && wholeShape(layer))
  if (!whole || !left) return layer
  return {
    ...layer,
    ...(whole.outputs === left.outputs ? {} : { channels: { before: whole.outputs, after: left.outputs } }),
    ...(whole.inputs === left.inputs ? {} : { inputs: { before: whole.inputs, after: left.inputs } }),
  }
}

export interface PruneChannelsOptions extends PruningOptions {
  /** Batches of inputs: the order is found and the layers are fitted on them. Without any the weights alone decide. */
  readonly samples?: readonly Values[]
  /** One sample to observe shapes and try the result on; the first batch unless given. */
  readonly sample?: Values
  /** Share of the cost that may be left; or `keep`. */
  readonly ratio?: number
  /** Layer → how many of its output channels stay, which share (below 1), or which ones. */
  readonly keep?: Readonly<Record<string, number | readonly number[]>>
  /** Channels that a layer keeps are a multiple of this. */
  readonly multiple?: number
  readonly products?: FitProducts
}

export interface PrunedModel {
  readonly model: Model
  readonly layers: readonly FittedLayer[]
  /** Layers whose outputs could not be taken out, and what holds them. */
  readonly closed: readonly ClosedLayer[]
  /** Cost left ÷ before. */
  readonly ratio: number
  readonly notes: readonly string[]
}

/**
 * Takes channels out of a model together with everything that makes or reads them (arXiv 1707.06168), follows them through
 * residual groups, depthwise and grouped layers, Concat, Split, Reshape and squeeze-and-excitation, and fits each layer to
 * what is left. Fold BatchNorm before. No operator is added; the result has run.
 * @throws InputError without a sample or a budget, RefusedError when the ratio is out of reach
 * @example
 * ```ts
 * const { model: half, layers, closed } = await pruneChannels(runtime, model, { samples, ratio: 0.5 })
 * for (const layer of layers) console.log(layer.name, layer.channels)
 * ```
 */
export async function pruneChannels(
  runtime: Runtime,
  model: Model,
  options: PruneChannelsOptions,
): Promise<PrunedModel> {
  if (options.products) return prune(runtime, options.products, model, options)
  const products = fitProducts(runtime)
  try {
    return await prune(runtime, products, model, options)
  } finally {
    await products.close()
  }
}

async function prune(
  runtime: Runtime,
  products: FitProducts,
  model: Model,
  options: PruneChannelsOptions,
): Promise<PrunedModel> {
  const { samples = [], ratio, keep, multiple, cost = macs } = options
  const sample = options.sample ?? samples[0]
  if (!sample)
    throw new InputError('pruneChannels needs a sample, to see the shapes of the model and to try the result')
  if ((ratio === undefined) === (keep === undefined)) throw new InputError('pruneChannels needs either ratio or keep')
  const shapes = await observeShapes(runtime, model, sample)
  const order = options.order ?? (samples.length > 0 ? 'backward' : 'magnitude')
  const problem = await preparePruning(runtime, model, { ...options, products, shapes, samples, sample, order })
  const book = new CostBook(problem, cost)
  const removed = keep
    ? channelsToKeep(problem, new Map(Object.entries(keep)), multiple)
    : removedFor(problem, ratio ?? 1, { cost, ...(multiple === undefined ? {} : { multiple }) })
  book.remove(removed)
  const keepLayers = options.keepLayers ?? new Set()
  const fit = (name: string) => !keepLayers.has(name)
  const result = await cutAndRefit(runtime, problem, removed, { ...options, products, samples, sample, fit })
  const left = book.total > 0 ? book.cost / book.total : 1
  return { ...result, closed: problem.closed, ratio: left, notes: problem.notes }
}

function removedFor(
  problem: PruningProblem,
  ratio: number,
  options: { readonly cost: CostModel; readonly multiple?: number },
): ReadonlySet<number> {
  const [plan] = pruningPlans(problem, [ratio], options)
  if (typeof plan === 'object') return plan.removed
  throw new RefusedError(outOfReach(problem, ratio, plan ?? 1))
}

/** The sentence for a ratio that pruning cannot reach. */
export function outOfReach({ closed, graph }: PruningGroups, ratio: number, nearest: number, unit = 'MACs'): string {
  if (graph.layers.length === 0)
    return `${ratio} of the ${unit} cannot be reached by pruning: no layer of the main graph has a constant weight`
  const named = closed.slice(0, 3).map(({ name, reason }) => `${name}: ${reason}`)
  return `${ratio} of the ${unit} cannot be reached by pruning: the nearest is ${(Math.ceil(nearest * 1000) / 1000).toFixed(3)}${named.length > 0 ? `; channels that must stay: ${named.join('; ')}` : ''}`
}
