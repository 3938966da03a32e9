// From a model and its statistics to the noise model's layers: energies of weights, importance of channels, what was seen.
import { normalCdf } from '../../math/index.ts'
import {
  type ChannelGraph,
  type ChannelStatistics,
  consumersOf,
  dataInput,
  isOp,
  type Layer,
  type LayerChannels,
  type Model,
  type Node,
  type Statistics,
} from '../../onnx/index.ts'
import { type NoiseLayer, type NoiseTensor, pairEnergy } from './noise-model.ts'
import { type Reach, reachesOf } from './reach.ts'

/** What the grids will be. */
export interface NoiseGrids {
  readonly weights: 'per-channel' | 'per-tensor'
  /** Bits of a layer's weight. */
  readonly weightBits: (layer: Layer) => number
  /** Bits of the activations; 0: they stay float. */
  readonly activationBits: number
  /** Values without a grid: the layers that read them stay float. */
  readonly floatInputs: ReadonlySet<string>
}

/** Deviations below this share of their layer's median are those of dead channels; without a floor they decide everything. */
const DEVIATION_FLOOR = 0.1
/** A channel is taken to be above zero at least this often. */
const LEAST_ACTIVE = 0.02

/** A model, its channels, and what is known of them. */
export interface KnownChannels {
  readonly model: Model
  readonly graph: ChannelGraph
  readonly statistics: Statistics
}

/**
 * The layers and extra tensors of the noise model; `variableOf` gives the variable of a channel number, or −1.
 * A layer whose channels were not observed is left out.
 */
export function noiseProblem(
  known: KnownChannels,
  grids: NoiseGrids,
  variableOf: (channel: number) => number,
): { readonly layers: NoiseLayer[]; readonly tensors: NoiseTensor[] } {
  const { model, graph, statistics } = known
  const consumers = consumersOf(model.graph.nodes)
  const energies = new Map(graph.layers.map((each) => [each, energyOf(each.layer)]))
  const importance = importanceOf(known, energies, consumers)
  const reaches = reachesOf(model, statistics)
  const layers: NoiseLayer[] = []
  const tensors: NoiseTensor[] = []
  for (const each of graph.layers) {
    const { layer, input, output } = each
    const { view } = layer
    if (grids.floatInputs.has(dataInput(layer))) continue
    const energy = energies.get(each)
    const seen = statistics.get(dataInput(layer))
    if (!view || !energy || seen?.deviation.length !== input.length) continue
    const own = importance.get(each) ?? {
      before: new Float64Array(output.length),
      after: new Float64Array(output.length),
    }
    const range = rangeOf(reaches(dataInput(layer)), input.length)
    layers.push({
      name: layer.name,
      groups: view.groups,
      outputs: view.outputs,
      inputsPerGroup: view.inputsPerGroup,
      outputVariable: output.map(variableOf),
      inputVariable: input.map(variableOf),
      ...energy,
      positions: view.positions,
      importance: own.before,
      variance: seen.deviation.map((d) => d * d),
      magnitude: range.magnitude,
      weightSteps: 2 ** (grids.weightBits(layer) - 1) - 1,
      perChannel: grids.weights === 'per-channel',
      inputSteps: stepsOf(grids, range.signed),
    })
    const operand = addOperand(consumers, layer)
    const operandReach = operand === undefined ? undefined : reaches(operand)
    if (operandReach?.low.length === output.length) {
      const { magnitude, signed } = rangeOf(operandReach, output.length)
      tensors.push({
        variable: output.map(variableOf),
        magnitude,
        importance: own.after,
        steps: stepsOf(grids, signed),
      })
    }
  }
  return { layers, tensors: tensors.filter((tensor) => tensor.steps > 0) }
}

function stepsOf({ activationBits }: NoiseGrids, signed: boolean): number {
  if (activationBits === 0) return 0
  return (2 ** activationBits - 1) / (signed ? 2 : 1)
}

function rangeOf(reach: Reach | undefined, channels: number): { magnitude: Float64Array; signed: boolean } {
  const { low, high } = reach ?? { low: new Float64Array(channels), high: new Float64Array(channels) }
  return {
    magnitude: high.map((x, c) => Math.max(x, -(low[c] ?? 0), 0)),
    signed: low.some((x) => x < 0),
  }
}

function energyOf({ view, weight }: Layer): Pick<NoiseLayer, 'largest' | 'energy'> | undefined {
  if (!view) return undefined
  const values = weight.floats()
  const { outputs, inputsPerGroup: n, positions } = view
  const largest = new Float32Array(outputs * n)
  const energy = positions === 1 ? undefined : new Float64Array(outputs * n)
  for (let o = 0; o < outputs; o++) {
    const base = view.offset(o)
    for (let i = 0; i < n; i++) {
      const start = base + i * view.inputStride
      let top = 0
      let sum = 0
      for (let u = 0; u < positions; u++) {
        const w = values[start + u * view.positionStride] ?? 0
        sum += w * w
        if (w > top) top = w
        else if (-w > top) top = -w
      }
      largest[o * n + i] = top
      if (energy) energy[o * n + i] = sum
    }
  }
  return { largest, energy }
}

/** 1/σ² of a layer's output channels, σ floored at a share of their median. */
function inverseVariance(seen: ChannelStatistics | undefined, channels: number): Float64Array {
  if (seen?.deviation.length !== channels) return new Float64Array(channels).fill(1)
  const median = seen.deviation.toSorted()[Math.floor(channels / 2)] ?? 0
  const floor = Math.max(DEVIATION_FLOOR * median, 1e-12)
  return seen.deviation.map((d) => 1 / (Math.max(d, floor) * Math.max(d, floor)))
}

interface Reading {
  readonly reader: LayerChannels
  /** Input channels of the reader that have the number. */
  readonly inputs: number[]
}

function readersOf(graph: ChannelGraph): Map<number, Reading[]> {
  const readers = new Map<number, Reading[]>()
  for (const reader of graph.layers) {
    for (const [i, channel] of reader.input.entries()) {
      const list = readers.get(channel) ?? []
      readers.set(channel, list)
      const own = list.at(-1)
      if (own?.reader === reader) own.inputs.push(i)
      else list.push({ reader, inputs: [i] })
    }
  }
  return readers
}

/** What a unit of noise costs in front of and behind a layer's activation, by output channel. */
interface Importance {
  readonly before: Float64Array
  readonly after: Float64Array
}

/**
 * How much a unit of noise in a channel raises the noise of the outputs, relative to their variance: carried backwards from the
 * outputs through the squares of the weights and the share of positions where an activation lets it pass, channels taken as
 * independent. A channel that nothing followed reads counts by its own variance.
 */
function importanceOf(
  { model, graph, statistics }: KnownChannels,
  energies: ReadonlyMap<LayerChannels, Pick<NoiseLayer, 'largest' | 'energy'> | undefined>,
  consumers: ReadonlyMap<string, readonly Node[]>,
): Map<LayerChannels, Importance> {
  const order = new Map(model.graph.nodes.map((node, index) => [node, index]))
  const placeOf = ({ layer }: LayerChannels) => order.get(layer.node) ?? 0
  const readers = readersOf(graph)
  const found = new Map<LayerChannels, Importance>()
  for (const writer of [...graph.layers].sort((a, b) => placeOf(b) - placeOf(a))) {
    const seen = statistics.get(writer.layer.node.outputs[0] ?? '')
    const own = inverseVariance(seen, writer.output.length)
    const after = Float64Array.from(writer.output, (channel, o) => {
      let cost = 0
      for (const { reader, inputs } of readers.get(channel) ?? [])
        if (placeOf(reader) > placeOf(writer))
          cost += readingCost(reader, energies.get(reader), found.get(reader)?.before, inputs)
      return cost > 0 ? cost : own[o]!
    })
    const active = isRectified(consumers, writer.layer) ? activity(seen, writer.output.length) : undefined
    found.set(writer, { after, before: active ? after.map((x, o) => x * active[o]!) : after })
  }
  return found
}

/** Σ_o ‖W[o,i]‖²·I_o over the reader's outputs that see input channel i, summed over the inputs of a channel. */
function readingCost(
  { layer: { view } }: LayerChannels,
  energy: Pick<NoiseLayer, 'largest' | 'energy'> | undefined,
  importance: Float64Array | undefined,
  inputs: readonly number[],
): number {
  if (!view || !energy) return 0
  const n = view.inputsPerGroup
  const perGroup = view.outputs / view.groups
  let cost = 0
  for (const input of inputs) {
    const from = Math.floor(input / n) * perGroup
    for (let o = from; o < from + perGroup; o++)
      cost += pairEnergy(energy, o * n + (input % n)) * (importance?.[o] ?? 1)
  }
  return cost
}

/** P(x > 0) of each channel, x normal. */
function activity(seen: ChannelStatistics | undefined, channels: number): Float64Array | undefined {
  if (seen?.deviation.length !== channels) return undefined
  return seen.mean.map((m, c) => {
    const d = seen.deviation[c] ?? 0
    const share = d > 0 ? normalCdf(m / d) : m > 0 ? 1 : 0
    return Math.max(LEAST_ACTIVE, share)
  })
}

const rectifiers = ['Relu', 'Clip', 'LeakyRelu', 'PRelu']

function isRectified(consumers: ReadonlyMap<string, readonly Node[]>, { node }: Layer): boolean {
  const next = consumers.get(node.outputs[0] ?? '') ?? []
  return next.length > 0 && next.every((consumer) => isOp(consumer, ...rectifiers))
}

/** The value by which a layer takes part in an Add, behind its activation; undefined when it does not. */
function addOperand(consumers: ReadonlyMap<string, readonly Node[]>, { node }: Layer): string | undefined {
  let value = node.outputs[0] ?? ''
  const [next, ...others] = consumers.get(value) ?? []
  if (next && others.length === 0 && isOp(next, ...rectifiers)) value = next.outputs[0] ?? ''
  return (consumers.get(value) ?? []).some(
    (consumer) => isOp(consumer, 'Add', 'Sub', 'Sum') && consumer.inputs.length > 1,
  )
    ? value
    : undefined
}
