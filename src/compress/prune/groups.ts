// What can be taken out of a model: channels in groups that are alike, and what keeps the others where they are.
import { type ChannelGraph, channelGraph, isOp, type LayerChannels, type Model, type Shapes } from '../../onnx/index.ts'
import { closeTied } from '../../rewrite/index.ts'

/**
 * Channels that are alike: each is a number of the channel graph, written and read by the same layers the same number of
 * times, so that taking out any of them saves the same. Each goes alone, with everything that has its number.
 */
export interface PruningGroup {
  /** Layers that make these channels, and layers that read them. */
  readonly writers: readonly string[]
  readonly consumers: readonly string[]
  /** In the order of the first writer's outputs. */
  readonly channels: readonly number[]
  /** Output channels of a writer that one number stands for, at most. */
  readonly width: number
}

/** A layer whose outputs (or some of them) cannot be taken out, and what holds them. */
export interface ClosedLayer {
  readonly name: string
  readonly reason: string
  /** How many of its output channels, when not all. */
  readonly channels?: number
}

export interface PruningGroups {
  readonly graph: ChannelGraph
  readonly groups: readonly PruningGroup[]
  readonly closed: readonly ClosedLayer[]
}

/** Does a layer hand its channels through, group by group, instead of summing over them? So do depthwise layers. */
export function passesChannels({ layer, input, output }: LayerChannels): boolean {
  return (layer.view?.groups ?? 1) > 1 && input[0] === output[0]
}

/**
 * Finds what can be taken out.
 * @param keep layers that must stay exactly as they are: nothing they write or read goes
 * @param more channels that are closed for other reasons
 */
export function pruningGroups(
  model: Model,
  shapes: Shapes,
  keep: ReadonlySet<string> = new Set(),
  more: ReadonlyMap<number, string> = new Map(),
): PruningGroups {
  const graph = closeTied(channelGraph(model, shapes, 'remove'), model.graph)
  const closed = new Map([...graph.closed, ...more])
  const close = (ids: Iterable<number>, why: string) => {
    for (const id of ids) if (!closed.has(id)) closed.set(id, why)
  }
  for (const { layer, input, output } of graph.layers)
    if (keep.has(layer.name)) close([...input, ...output], `layer ${layer.name} is kept as it is`)
  const reads = new Set(graph.layers.filter((layer) => !passesChannels(layer)).flatMap(({ input }) => [...input]))
  const reasons: ClosedLayer[] = []
  const groups = new Map<string, { writers: Set<string>; consumers: Set<string>; channels: number[]; width: number }>()
  const signatures = signaturesOf(graph)
  for (const { layer, output } of graph.layers) {
    const stuck = output.filter((id) => closed.has(id))
    const [first] = stuck
    if (first !== undefined)
      reasons.push({
        name: layer.name,
        reason: closed.get(first) ?? '',
        ...(stuck.length < output.length ? { channels: stuck.length } : {}),
      })
    const counts = new Map<number, number>()
    for (const id of output) counts.set(id, (counts.get(id) ?? 0) + 1)
    for (const [id, width] of counts) {
      if (closed.has(id) || !reads.has(id)) continue
      const signature = signatures.get(id) ?? ''
      const group = groups.get(signature) ?? { writers: new Set(), consumers: new Set(), channels: [], width: 1 }
      groups.set(signature, group)
      group.writers.add(layer.name)
      group.width = Math.max(group.width, width)
      if (!group.channels.includes(id)) group.channels.push(id)
    }
  }
  for (const layer of graph.layers) {
    if (passesChannels(layer)) continue
    for (const id of new Set(layer.input)) groups.get(signatures.get(id) ?? '')?.consumers.add(layer.layer.name)
  }
  const list = [...groups.values()].map(
    (group): PruningGroup => ({ ...group, writers: [...group.writers], consumers: [...group.consumers] }),
  )
  return { graph, groups: list, closed: reasons }
}

/** For each number how often each layer writes and reads it, as text. */
function signaturesOf(graph: ChannelGraph): Map<number, string> {
  const parts = new Map<number, string[]>()
  for (const [index, { input, output }] of graph.layers.entries())
    for (const [side, ids] of [
      ['in', input],
      ['out', output],
    ] as const) {
      const counts = new Map<number, number>()
      for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1)
      for (const [id, count] of counts) {
        const list = parts.get(id) ?? []
        list.push(`${index} ${side} ${count}`)
        parts.set(id, list)
      }
    }
  return new Map([...parts].map(([id, list]) => [id, list.join()]))
}

/** Would a value be left without any channel if this one went as well? */
export function emptiesValue(sets: readonly ReadonlySet<number>[], id: number, removed: ReadonlySet<number>): boolean {
  return sets.some((set) => set.has(id) && [...set].every((other) => other === id || removed.has(other)))
}

/**
 * Sets of numbers of which at least one must stay each: the channels of every value. A value without channels is nothing
 * that an operator could work on.
 */
export function valueSets(model: Model, graph: ChannelGraph): readonly ReadonlySet<number>[] {
  const sets = new Map<string, Set<number>>()
  for (const node of model.graph.nodes)
    for (const output of node.outputs) {
      const map = graph.map(output)
      if (!map || isOp(node, 'Identity')) continue
      const set = new Set(map.ids)
      sets.set([...set].join(), set)
    }
  return [...sets.values()]
}

/** Channels of a group that go at a time, so that what its writers keep is a multiple. */
export function stepOf({ width }: PruningGroup, multiple: number): number {
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b))
  return multiple / divisor(width, multiple)
}

/** Those of the channels that can go while every group keeps a multiple; with a multiple of 1 all. */
export function wholeSteps(groups: readonly PruningGroup[], ids: ReadonlySet<number>, multiple: number): Set<number> {
  const going = new Set<number>()
  for (const group of groups) {
    const mine = group.channels.filter((id) => ids.has(id))
    const step = stepOf(group, multiple)
    const keep = Math.ceil((group.channels.length - mine.length) / step) * step
    for (const id of mine.slice(0, Math.max(0, group.channels.length - keep))) going.add(id)
  }
  return going
}
