// Which channels go first: those that carry least of what their readers make, for what they save.
import type { Moments } from '../calibrate/index.ts'
import { type ChannelGraph, channelGraph, type LayerChannels, type Model, type Shapes } from '../onnx/index.ts'
import { kernelsOf } from './kernel.ts'
import type { CompressibleLayer } from './layers.ts'
import type { PruningGroup } from './prune.ts'

/**
 * Energy of each input channel of a layer as a share of all: Σ over outputs and positions of W²·variance of what stands
 * there; without moments of the weights alone ("magnitude").
 */
export function inputEnergy(layer: CompressibleLayer, moments: readonly Moments[] | undefined): Float64Array {
  const { inputsPerGroup, groups, kernel } = layer.geometry
  const positions = kernel[0] * kernel[1]
  const energy = new Float64Array(inputsPerGroup * groups)
  for (const [group, weight] of kernelsOf(layer).entries()) {
    const covariance = moments?.[group]?.covariance
    for (let o = 0, at = 0; o < weight.rows; o++)
      for (let i = 0; i < inputsPerGroup; i++)
        for (let u = 0; u < positions; u++, at++) {
          const column = i * positions + u
          const variance = covariance ? covariance.data[column * (covariance.rows + 1)]! : 1
          energy[group * inputsPerGroup + i]! += weight.data[at]! ** 2 * variance
        }
  }
  const total = energy.reduce((sum, value) => sum + value, 0)
  return total > 0 ? energy.map((value) => value / total) : energy
}

export interface PrunePlan {
  /** Numbers of the channel graph that go. */
  readonly removed: ReadonlySet<number>
  /** Multiplications left ÷ before. */
  readonly ratio: number
}

/**
 * Takes out channels one by one, always the one with the least energy for each multiplication saved, until the share of
 * multiplications is at most `ratio`; at least one channel (or `multiple`) of each group stays. What a channel saves is
 * counted anew after each, because it depends on how many its neighbours have left.
 * @returns the plan, or the smallest ratio that could be reached
 */
export function planPruning(
  model: Model,
  shapes: Shapes,
  groups: readonly PruningGroup[],
  energies: ReadonlyMap<string, Float64Array>,
  macs: ReadonlyMap<string, number>,
  ratio: number,
  multiple: number,
): PrunePlan | number {
  const graph = channelGraph(model, shapes, 'remove')
  const scores = scoresOf(graph, energies)
  const removed = new Set<number>()
  const total = [...macs.values()].reduce((sum, value) => sum + value, 0)
  const left = groups.map((group) => group.channels.toSorted((a, b) => (scores.get(a) ?? 0) - (scores.get(b) ?? 0)))
  let cost = costOf(graph, macs, removed)
  while (cost > ratio * total) {
    let best: { group: number; rate: number; cost: number } | undefined
    for (const [group, channels] of left.entries()) {
      if (channels.length <= multiple) continue
      const next = channels.slice(0, multiple)
      const after = costOf(graph, macs, new Set([...removed, ...next]))
      const score = next.reduce((sum, id) => sum + (scores.get(id) ?? 0), 0)
      const rate = score / Math.max(1, cost - after)
      if (!best || rate < best.rate) best = { group, rate, cost: after }
    }
    if (!best) return cost / total
    for (const id of left[best.group]!.splice(0, multiple)) removed.add(id)
    cost = best.cost
  }
  return { removed, ratio: cost / total }
}

function scoresOf(graph: ChannelGraph, energies: ReadonlyMap<string, Float64Array>): Map<number, number> {
  const scores = new Map<number, number>()
  for (const { layer, input } of graph.layers)
    for (const [index, id] of input.entries())
      scores.set(id, (scores.get(id) ?? 0) + (energies.get(layer.name)?.[index] ?? 0))
  return scores
}

/** Multiplications fall with the channels left on both sides; of a depthwise layer, on one. */
function costOf(graph: ChannelGraph, macs: ReadonlyMap<string, number>, removed: ReadonlySet<number>): number {
  let cost = 0
  const counted = new Set<string>()
  for (const { layer, input, output } of graph.layers) {
    const whole = macs.get(layer.name) ?? 0
    counted.add(layer.name)
    const share = (ids: Int32Array) => ids.reduce((sum, id) => sum + (removed.has(id) ? 0 : 1), 0) / ids.length
    cost += whole * share(output) * ((layer.view?.groups ?? 1) > 1 ? 1 : share(input))
  }
  for (const [name, whole] of macs) if (!counted.has(name)) cost += whole
  return cost
}

/** Output channels that each layer keeps; layers that keep all are left out. */
export function keptOutputs(model: Model, shapes: Shapes, removed: ReadonlySet<number>): Map<string, number[]> {
  const kept = new Map<string, number[]>()
  for (const { layer, output } of channelGraph(model, shapes, 'remove').layers as readonly LayerChannels[]) {
    const left = [...output.keys()].filter((index) => !removed.has(output[index]!))
    if (left.length < output.length) kept.set(layer.name, left)
  }
  return kept
}
