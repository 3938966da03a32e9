// Where factors may go: the channels of a model, and the layers that read theirs from the last axis.
import {
  type ChannelGraph,
  channelGraph,
  constantsOf,
  dataInput,
  type Layer,
  type LayerChannels,
  type Model,
  type Shapes,
} from '../../onnx/index.ts'
import { closeTied, tiedTensors } from '../constants/tied.ts'

/** @param gains products with a vector that begin channels of their own, by their output */
export function openGraph(model: Model, shapes: Shapes, gains: readonly string[] = []): ChannelGraph {
  return closeTied(channelGraph(model, shapes, 'scale', new Set(gains)), model.graph)
}

/** A value that layers read, and the axis of its channels. */
export interface ReadChannels {
  readonly axis: number
  readonly layers: readonly Layer[]
}

/** Layers in float32, with a weight of their own, that read the channels of a value that is no constant; by that value. */
export function readChannels(
  model: Model,
  shapes: Shapes,
  graph: ChannelGraph,
  fits: (layer: LayerChannels, axis: number) => boolean,
): Map<string, ReadChannels> {
  const constants = constantsOf(model.graph)
  const tied = tiedTensors(model.graph)
  const found = new Map<string, ReadChannels>()
  for (const each of graph.layers) {
    const { layer, input } = each
    const value = dataInput(layer)
    const { dims, dtype } = shapes.get(value) ?? {}
    if (!dims || dims.length < 2 || dtype !== 'float32' || layer.weight.dtype !== 'float32' || constants(value))
      continue
    const axis = layer.facts.channels === 'last' ? dims.length - 1 : 1
    if (dims[axis] !== input.length || tied.has(layer.weight) || !fits(each, axis)) continue
    const known = found.get(value)
    if (!known || known.axis === axis) found.set(value, { axis, layers: [...(known?.layers ?? []), layer] })
  }
  return found
}

/** Those that read them from the last axis. */
export function lastAxisLayers(
  model: Model,
  shapes: Shapes,
  graph: ChannelGraph,
  fits: (layer: LayerChannels) => boolean,
): Map<string, readonly Layer[]> {
  const found = readChannels(model, shapes, graph, (each) => each.layer.facts.channels === 'last' && fits(each))
  return new Map([...found].map(([value, { layers }]) => [value, layers]))
}
