// Which values' channels a rewrite wants to know of: what layers read and make, and what goes through caps and Adds.
import type { ChannelRequest } from '../calibrate/index.ts'
import {
  channelGraph,
  constantsOf,
  consumersOf,
  dataInput,
  factsOf,
  isOp,
  type LayerChannels,
  type Model,
  type Shapes,
} from '../onnx/index.ts'
import { tiedTensors } from './constants/tied.ts'
import { insertGains } from './equalize/free-inputs.ts'
import { openGraph } from './equalize/open-graph.ts'
import { openChannels } from './equalize/variables.ts'
import { layersByInput } from './outliers/choose.ts'

/** Requests for `channelStatistics`: every value whose channels equalisation, absorption or dead-channel folding looks at. */
export function channelRequests(model: Model, shapes: Shapes): ChannelRequest[] {
  return requestsFor(model, shapes, channelGraph(model, shapes, 'scale'), () => true)
}

/**
 * What equalisation looks at: the values of classes that can be scaled, and of those linked to one by layers, whose noise weighs
 * theirs. Nothing when every class is closed.
 */
export function equalizeRequests(model: Model, shapes: Shapes): ChannelRequest[] {
  const graph = openGraph(model, shapes)
  const placed = insertGains(model, shapes, graph)
  const gains = placed.freed.map(({ scaled }) => scaled)
  const free = gains.length === 0 ? graph : openGraph(placed.model, placed.shapes, gains)
  const linked = linkedTo(openChannels(free), free.layers)
  if (linked.size === 0) return []
  const sources = new Map(placed.freed.map(({ value, scaled }) => [scaled, value]))
  const requests = requestsFor(placed.model, placed.shapes, free, (ids) => ids.some((id) => linked.has(id)))
  const own = requests.map((request) => ({ ...request, value: sources.get(request.value) ?? request.value }))
  return [...new Map(own.map((request) => [request.value, request])).values()]
}

/** What outlier channels are found by: the values around the layers that may have some. */
export function outlierRequests(model: Model, shapes: Shapes): ChannelRequest[] {
  const axes = new Map<string, number>()
  for (const layers of layersByInput(model, shapes, channelGraph(model, shapes, 'scale')).values())
    for (const layer of layers)
      for (const value of [dataInput(layer), layer.node.outputs[0] ?? '']) {
        const rank = shapes.get(value)?.dims.length ?? 0
        if (rank >= 2) axes.set(value, rank - 1)
      }
  return [...axes].map(([value, axis]) => ({ value, axis, nonNegative: false }))
}

/**
 * What folding of dead channels looks at: what layers give in front of their activation, where a constant could be kept and
 * somebody reads it. A MatMul has no bias: only in front of a Relu or Clip of its own can it hold the constant that it must, 0.
 */
export function foldRequests(model: Model, shapes: Shapes): ChannelRequest[] {
  const consumers = consumersOf(model.graph.nodes)
  const tied = tiedTensors(model.graph)
  const values = new Map<string, number>()
  for (const { layer } of channelGraph(model, shapes, 'scale').layers) {
    const { node, facts } = layer
    const output = node.outputs[0] ?? ''
    const [next, ...others] = consumers.get(output) ?? []
    const rank = shapes.get(output)?.dims.length ?? 0
    if (!next || rank < 2 || !layer.view || tied.has(layer.weight)) continue
    if (facts.bias !== undefined || (others.length === 0 && isOp(next, 'Relu', 'Clip')))
      values.set(output, facts.channels === 'last' ? rank - 1 : 1)
  }
  return [...values].map(([value, axis]) => ({ value, axis, nonNegative: false }))
}

/** Channels that layers lead to from some, either way. */
function linkedTo(channels: readonly number[], layers: readonly LayerChannels[]): ReadonlySet<number> {
  const linked = new Set(channels)
  let before = -1
  while (linked.size > before) {
    before = linked.size
    for (const { input, output } of layers) {
      const own = [...input, ...output]
      if (own.some((id) => linked.has(id))) for (const id of own) linked.add(id)
    }
  }
  return linked
}

function requestsFor(
  model: Model,
  shapes: Shapes,
  graph: ReturnType<typeof channelGraph>,
  matters: (ids: Int32Array) => boolean,
): ChannelRequest[] {
  const axes = new Map<string, number>()
  const want = (value: string, fallback: number) => {
    const rank = shapes.get(value)?.dims.length ?? 0
    if (rank >= 2 && !axes.has(value)) axes.set(value, graph.of(value)?.axis ?? fallback)
  }
  for (const { layer, input: read, output: made } of graph.layers) {
    if (!matters(read) && !matters(made)) continue
    const { node, facts } = layer
    const last = (value: string) => (shapes.get(value)?.dims.length ?? 2) - 1
    const [input, output] = [dataInput(layer), node.outputs[0] ?? '']
    want(input, facts.channels === 'last' ? last(input) : 1)
    want(output, facts.channels === 'last' ? last(output) : 1)
  }
  for (const node of model.graph.nodes)
    if (isOp(node, 'Add', 'Sub', 'Sum', 'Relu', 'Clip', 'LeakyRelu', 'PRelu'))
      for (const value of [node.inputs[0], ...node.outputs]) {
        const ids = value ? graph.of(value)?.ids : undefined
        if (value && ids && matters(ids)) want(value, 1)
      }
  const constants = constantsOf(model.graph)
  const producers = new Map(model.graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  return [...axes].map(([value, axis]) => {
    const producer = producers.get(value)
    const bounds = producer && factsOf(producer).bounds?.(producer, constants)
    return { value, axis, nonNegative: bounds !== undefined && bounds.low >= 0 }
  })
}
