// Classes of channels that are scaled together, and the ranges of the weights that write and read each channel.

import type { ChannelClip, ChannelGraph, LayerChannels, Statistics } from '../../onnx/index.ts'
import { NO_BOUND } from '../channel-clip.ts'

/** Largest absolute weight between each output and each input channel (inside the group) of a layer. */
export interface LayerRanges {
  readonly channels: LayerChannels
  readonly largest: Float64Array
  /** Bias of each output, absolute; zeros without one. */
  readonly bias: Float64Array
}

/** The channels of a value and of all values tied to it. */
export interface ScaleClass {
  /** Channel numbers that may be scaled. */
  readonly ids: readonly number[]
  readonly writers: readonly LayerRanges[]
  readonly consumers: readonly Consumer[]
}

/** A layer, and which of its input channels belong to a class. */
export interface Consumer {
  readonly layer: LayerRanges
  readonly positions: Int32Array
}

export function layerRanges(channels: LayerChannels): LayerRanges | undefined {
  const { view, weight, bias } = channels.layer
  if (!view) return undefined
  const values = weight.floats()
  const largest = new Float64Array(view.outputs * view.inputsPerGroup)
  for (let o = 0; o < view.outputs; o++)
    for (let i = 0; i < view.inputsPerGroup; i++) {
      const start = view.offset(o) + i * view.inputStride
      let most = 0
      for (let u = 0; u < view.positions; u++)
        most = Math.max(most, Math.abs(values[start + u * view.positionStride] ?? 0))
      largest[o * view.inputsPerGroup + i] = most
    }
  const shifts = bias?.floats()
  return { channels, largest, bias: Float64Array.from({ length: view.outputs }, (_, o) => Math.abs(shifts?.[o] ?? 0)) }
}

/** Largest scaled weight of each output channel of a layer. */
export function rowRanges(
  { channels: { layer, input, output }, largest }: LayerRanges,
  factors: Float64Array,
): Float64Array {
  const { inputsPerGroup = 0, groups = 1 } = layer.view ?? {}
  const reads = Float64Array.from(input, (id) => factors[id] ?? 1)
  const perGroup = output.length / groups
  return Float64Array.from(output, (id, o) => {
    const first = Math.floor(o / perGroup) * inputsPerGroup
    let most = 0
    for (let i = 0; i < inputsPerGroup; i++)
      most = Math.max(most, (largest[o * inputsPerGroup + i] ?? 0) * (reads[first + i] ?? 1))
    return most / (factors[id] ?? 1)
  })
}

/** Largest scaled weight that reads each of some input channels of a layer. */
export function columnRanges(
  { channels: { layer, input, output }, largest }: LayerRanges,
  positions: Int32Array,
  factors: Float64Array,
): Float64Array {
  const { inputsPerGroup = 1, groups = 1 } = layer.view ?? {}
  const writes = Float64Array.from(output, (id) => 1 / (factors[id] ?? 1))
  const perGroup = output.length / groups
  return Float64Array.from(positions, (position) => {
    const group = Math.floor(position / inputsPerGroup)
    let most = 0
    for (let o = group * perGroup; o < (group + 1) * perGroup; o++)
      most = Math.max(most, (largest[o * inputsPerGroup + (position % inputsPerGroup)] ?? 0) * (writes[o] ?? 1))
    return most * (factors[input[position] ?? 0] ?? 1)
  })
}

/** The largest weight of a layer under the factors. */
export function largestOf(ranges: LayerRanges, factors: Float64Array): number {
  return rowRanges(ranges, factors).reduce((most, value) => Math.max(most, value), 0)
}

/**
 * The classes that have a layer that writes and one that reads them, in graph order. A layer that does both to one class
 * is in neither list: a factor changes it on both sides.
 */
export function scaleClasses(
  graph: ChannelGraph,
  layers: readonly LayerRanges[],
  frozen: ReadonlySet<number>,
): ScaleClass[] {
  const classOf = new Int32Array(graph.size).fill(-1)
  const groups: number[][] = []
  // What one layer writes belongs together; so does whatever shares a channel with it.
  for (const { channels } of layers) {
    const known = new Set(Array.from(channels.output, (id) => classOf[id] ?? -1).filter((each) => each >= 0))
    const [target = groups.push([]) - 1, ...merged] = known
    for (const other of merged) {
      for (const id of groups[other] ?? []) classOf[id] = target
      groups[target]?.push(...(groups[other] ?? []))
      groups[other] = []
    }
    for (const id of channels.output)
      if (classOf[id] === -1) {
        classOf[id] = target
        groups[target]?.push(id)
      }
  }
  const touches = (ids: Int32Array, group: number) => ids.some((id) => classOf[id] === group)
  return groups.flatMap((group, index) => {
    const ids = group.filter((id) => !graph.closed.has(id) && !frozen.has(id))
    if (ids.length === 0) return []
    const writes = layers.filter(({ channels }) => touches(channels.output, index))
    const reads = layers.filter(({ channels }) => touches(channels.input, index))
    const writers = writes.filter((layer) => !reads.includes(layer))
    const consumers = reads.filter((layer) => !writes.includes(layer))
    if (writers.length === 0 || consumers.length === 0) return []
    const positionsOf = ({ channels }: LayerRanges) =>
      Int32Array.from(channels.input.keys()).filter((position) => classOf[channels.input[position] ?? 0] === index)
    return [{ ids, writers, consumers: consumers.map((layer) => ({ layer, positions: positionsOf(layer) })) }]
  })
}

/** Largest magnitude that is known of each channel: observed, or mean and three deviations; a Clip's bound caps it. */
export function magnitudes(graph: ChannelGraph, statistics: Statistics): Float64Array {
  const largest = new Float64Array(graph.size)
  for (const [value, { mean, deviation, min, max }] of statistics) {
    const ids = graph.of(value)?.ids
    if (ids?.length !== mean.length) continue
    for (const [c, id] of ids.entries()) {
      const seen = min && max ? Math.max(-(min[c] ?? 0), max[c] ?? 0) : Math.abs(mean[c] ?? 0) + 3 * (deviation[c] ?? 0)
      largest[id] = Math.max(largest[id] ?? 0, seen)
    }
  }
  for (const { low, high, ids } of graph.clips)
    for (const id of ids) largest[id] = Math.min(largest[id] ?? 0, Math.max(-low, high))
  return largest
}

/** Does a Clip keep its bounds whatever the factors? So it is for [0, ∞). */
export function isBound({ low, high }: ChannelClip): boolean {
  return [low, high].some((bound) => bound !== 0 && Math.abs(bound) < NO_BOUND)
}
