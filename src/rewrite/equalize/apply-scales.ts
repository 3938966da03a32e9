// Applies one factor a channel to a model: what writes a channel is divided by it, what reads it is multiplied.
import {
  type ChannelCarrier,
  type ChannelClip,
  type ChannelGraph,
  type ChannelStatistics,
  GraphEditor,
  type LayerChannels,
  type Model,
  type Node,
  type Shapes,
} from '../../onnx/index.ts'
import { forEachWeight } from '../batch-norm/layer-edit.ts'
import { boundChannels, NO_BOUND } from '../channel-clip.ts'
import type { PassLog } from '../edit-pass.ts'
import { doublesOf, floatTensor } from '../float-tensor.ts'
import { perChannel } from './per-channel.ts'

export interface ScaleOptions {
  /** Observed shapes: ranks of values. */
  readonly shapes: Shapes
  /** Where the statistics of scaled values, and what was changed, are kept. */
  readonly log: PassLog
  /**
   * One factor for all channels of a Clip, where its bounds shall stay scalars although the factors differ ("hold": then
   * the function is only kept where the bound does not bind). Without it the Clip gets a bound for each channel.
   */
  readonly capFactor?: (clip: ChannelClip) => number | undefined
}

/**
 * Divides every channel by its factor, `factors[n]` for the channel of number n of `graph` (made of this model with
 * purpose 'scale'). Exact but for rounding: float64, rounded once to the type of each tensor. Shared tensors are copied.
 * 1. layers: rows and biases / s of what they write, columns · s of what they read (both for a layer that does both);
 * 2. constants in the value's unit (Add, Sub, Max, Min, gain and bias of a norm) / s, with an entry a channel where the factors differ;
 * 3. Clip: new scalars where all factors are equal, else Relu or Max, and Min, with an entry a channel;
 * 4. statistics of the values, kept in `log`, / s.
 * @returns the scaled model; `model` is not changed
 * @throws Error for a factor that is not positive, or not 1 on a closed channel: a mistake of the caller
 */
export function applyScales(model: Model, graph: ChannelGraph, factors: Float64Array, options: ScaleOptions): Model {
  checkFactors(graph, factors)
  const editor = new GraphEditor(model)
  const { log } = options
  const work = { editor, graph, factors, log, options }
  for (const layer of graph.layers) scaleLayer(work, layer)
  for (const carrier of graph.carriers)
    if (carrier.role === 'add' || carrier.role === 'gain' || carrier.role === 'divisor') scaleCarrier(work, carrier)
  for (const clip of graph.clips) scaleClip(work, clip)
  for (const [value, statistics] of log.statistics) {
    const ids = graph.of(value)?.ids
    if (ids?.length === statistics.mean.length) log.statistics.set(value, divided(statistics, pick(factors, ids)))
  }
  return editor.finish()
}

interface Work {
  readonly editor: GraphEditor
  readonly graph: ChannelGraph
  readonly factors: Float64Array
  readonly log: PassLog
  readonly options: ScaleOptions
}

function checkFactors(graph: ChannelGraph, factors: Float64Array): void {
  if (factors.length !== graph.size) throw new Error(`${factors.length} factors for ${graph.size} channels`)
  for (const [id, factor] of factors.entries()) {
    if (!(factor > 0) || !Number.isFinite(factor)) throw new Error(`the factor of channel ${id} is ${factor}`)
    const why = graph.closed.get(id)
    if (why !== undefined && factor !== 1) throw new Error(`channel ${id} is closed (${why}), its factor is ${factor}`)
  }
}

const pick = (factors: Float64Array, ids: Int32Array) => Float64Array.from(ids, (id) => factors[id] ?? 1)
const areOne = (scales: Float64Array) => scales.every((scale) => scale === 1)

/** The node of the edited copy: nodes of the graph are those of the model it was made of. */
function own({ editor }: Work, node: Node): Node {
  const found = editor.producer(node.outputs[0] ?? '')
  if (!found) throw new Error(`node "${node.name}" is not of this model`)
  return found
}

function scaleLayer(work: Work, { layer, input, output }: LayerChannels): void {
  const { editor, factors, log } = work
  const { view, weight, bias, weightIndex } = layer
  const [reads, writes] = [pick(factors, input), pick(factors, output)]
  if (!view || (areOne(reads) && areOne(writes))) return
  const node = own(work, layer.node)
  const values = doublesOf(weight)
  const perGroup = view.outputs / view.groups
  forEachWeight(view, (at, o, i) => {
    const read = reads[Math.floor(o / perGroup) * view.inputsPerGroup + i] ?? 1
    values[at] = ((values[at] ?? 0) * read) / (writes[o] ?? 1)
  })
  editor.setConstant(node, weightIndex, floatTensor(weight.dtype, weight.shape, values))
  if (bias && !areOne(writes)) {
    const shifted = doublesOf(bias).map((value, o) => value / (writes[o] ?? 1))
    editor.setConstant(node, 2, floatTensor(bias.dtype, bias.shape, shifted))
  }
  const parts = [
    areOne(writes) ? '' : `outputs divided by ${span(writes)}`,
    areOne(reads) ? '' : `inputs multiplied by ${span(reads)}`,
  ]
  log.changed(node, parts.filter((part) => part !== '').join(', '))
}

function span(scales: Float64Array): string {
  const [low, high] = [Math.min(...scales), Math.max(...scales)].map((scale) => scale.toPrecision(3))
  return low === high ? `${low}` : `${low} to ${high}`
}

function scaleCarrier(work: Work, { node, index, tensor, axis, ids, role }: ChannelCarrier): void {
  const factors = pick(work.factors, ids)
  if (areOne(factors)) return
  const scales = role === 'divisor' ? factors.map((factor) => 1 / factor) : factors
  const target = own(work, node)
  const [first = 1] = scales
  if (scales.every((scale) => scale === first)) {
    const values = doublesOf(tensor).map((value) => value / first)
    work.editor.setConstant(target, index, floatTensor(tensor.dtype, tensor.shape, values))
    return
  }
  const rank = rankOfOutput(work, node)
  const channels = axis ?? (work.graph.of(node.outputs[0] ?? '')?.axis ?? 1) - (rank - tensor.shape.length)
  const { shape, values } = perChannel(doublesOf(tensor), tensor.shape, channels, scales.length)
  const inner = shape.slice(Math.max(channels, 0) + 1).reduce((product, dim) => product * dim, 1)
  for (const [at, value] of values.entries()) values[at] = value / (scales[Math.floor(at / inner) % scales.length] ?? 1)
  work.editor.setConstant(target, index, floatTensor(tensor.dtype, shape, values))
}

function scaleClip(work: Work, clip: ChannelClip): void {
  const { editor, graph, factors, options } = work
  const { node, low, high, ids } = clip
  const shared = options.capFactor?.(clip)
  const scales = shared === undefined ? pick(factors, ids) : Float64Array.of(shared)
  if (areOne(scales) || [low, high].every((bound) => bound === 0 || Math.abs(bound) >= NO_BOUND)) return
  const over = (bound: number) => scales.map((scale) => (Math.abs(bound) >= NO_BOUND ? bound : bound / scale))
  const target = own(work, node)
  const axis = graph.of(node.outputs[0] ?? '')?.axis ?? 1
  boundChannels(editor, target, { low: over(low), high: over(high), axis }, options.shapes)
}

function rankOfOutput({ options }: Work, node: Node): number {
  const dims = options.shapes.get(node.outputs[0] ?? '')?.dims
  if (!dims) throw new Error(`the rank of "${node.outputs[0]}" was never observed`)
  return dims.length
}

/** Statistics of a value whose channels were divided. */
function divided(statistics: ChannelStatistics, scales: Float64Array): ChannelStatistics {
  const by = (values: Float64Array) => values.map((value, c) => value / (scales[c] ?? 1))
  const { mean, deviation, min, max, source } = statistics
  return {
    mean: by(mean),
    deviation: by(deviation),
    ...(min ? { min: by(min) } : {}),
    ...(max ? { max: by(max) } : {}),
    source,
  }
}
