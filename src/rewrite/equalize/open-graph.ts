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

/** Layers in float32, with a weight of their own, that read their channels from the last axis of a value that is no constant; by that value. */
export function lastAxisLayers(
  model: Model,
  shapes: Shapes,
  graph: ChannelGraph,
  fits: (layer: LayerChannels) => boolean,
): Map<string, Layer[]> {
  const constants = constantsOf(model.graph)
  const tied = tiedTensors(model.graph)
  const layers = new Map<string, Layer[]>()
  for (const each of graph.layers) {
    const { layer, input } = each
    const value = dataInput(layer)
    const { dims, dtype } = shapes.get(value) ?? {}
    const isLast =
      layer.facts.channels === 'last' && dims !== undefined && dims.length >= 2 && dims.at(-1) === input.length
    if (!isLast || dtype !== 'float32' || layer.weight.dtype !== 'float32' || constants(value)) continue
    if (tied.has(layer.weight) || !fits(each)) continue
    layers.set(value, [...(layers.get(value) ?? []), layer])
  }
  return layers
}
