// The free numbers of the equalisation: one ln s a channel, except where a cap ties channels together.
import { portable } from '../../base/index.ts'
import type { Objective } from '../../math/index.ts'
import type { ChannelClip, ChannelGraph, Statistics } from '../../onnx/index.ts'
import type { Reach } from './reach.ts'

/** What happens to the upper bound of a Clip whose channels get different factors. */
export type CapPolicy = 'hold' | 'free'

/**
 * u[channel] = offset + shared + own. A channel that can reach a held cap has the cap's shared number alone; the others may
 * grow until they would reach it (own ≥ 0), so that one scalar cap serves all.
 */
export interface Variables {
  readonly count: number
  readonly lower: Float64Array
  readonly upper: Float64Array
  /** u = 0 for every channel. */
  readonly start: Float64Array
  /** Dense number of a channel for the noise model, or −1 when it keeps its scale. */
  readonly dense: (channel: number) => number
  readonly denseCount: number
  /** The free numbers that a dense channel is made of. */
  readonly numbersOf: (dense: number) => readonly number[]
  /** ln s of every dense channel. */
  readonly spread: (theta: Float64Array) => Float64Array
  /** The objective over dense channels, as one over the free numbers. */
  readonly wrap: (objective: Objective) => Objective
  /** Shared factor of a held Clip; undefined for one that got a cap a channel. */
  readonly capFactor: (clip: ChannelClip, theta: Float64Array) => number | undefined
}

/** Largest factor, either way. */
const LARGEST = portable.log(64)
/** A channel counts as below its cap when its largest value, with this margin, is. */
const MARGIN = 1.1

interface Dense {
  readonly channel: number
  readonly offset: number
  /** Index of the shared number, or −1. */
  readonly shared: number
  /** Index of the channel's own number, or −1. */
  readonly own: number
}

/** Chooses the free numbers. Channels without both a writer and a reader, and closed ones, keep their scale. */
export function chooseVariables(
  graph: ChannelGraph,
  statistics: Statistics,
  policyOf: (clip: ChannelClip) => CapPolicy,
  reaches: (value: string) => Reach | undefined,
): Variables {
  const free = openChannels(graph)
  const held = heldCaps(graph, statistics, free, { policyOf, reaches })
  const dense: Dense[] = []
  const lower: number[] = []
  const upper: number[] = []
  const start: number[] = []
  const number = (low: number, high: number, at: number): number => {
    lower.push(low)
    upper.push(high)
    start.push(at)
    return start.length - 1
  }
  const sharedOf = new Map<number, number>()
  for (const group of new Set(held.groupOf.values())) {
    const fixed = held.closed.has(group)
    sharedOf.set(group, number(fixed ? 0 : -LARGEST, fixed ? 0 : LARGEST, 0))
  }
  for (const channel of free) {
    const group = held.groupOf.get(channel)
    const shared = group === undefined ? -1 : (sharedOf.get(group) ?? -1)
    const room = held.room.get(channel) ?? 0
    if (shared === -1) dense.push({ channel, offset: 0, shared, own: number(-LARGEST, LARGEST, 0) })
    else if (room === 0) dense.push({ channel, offset: 0, shared, own: -1 })
    else dense.push({ channel, offset: -room, shared, own: number(0, room + LARGEST, room) })
  }
  const indexOf = new Map(dense.map(({ channel }, index) => [channel, index]))
  const spread = (theta: Float64Array) =>
    Float64Array.from(
      dense,
      ({ offset, shared, own }) => offset + (shared < 0 ? 0 : (theta[shared] ?? 0)) + (own < 0 ? 0 : (theta[own] ?? 0)),
    )
  return {
    count: start.length,
    lower: Float64Array.from(lower),
    upper: Float64Array.from(upper),
    start: Float64Array.from(start),
    dense: (channel) => indexOf.get(channel) ?? -1,
    denseCount: dense.length,
    numbersOf: (index) => [dense[index]?.shared ?? -1, dense[index]?.own ?? -1].filter((number) => number >= 0),
    spread,
    wrap: (objective) => {
      const inner = new Float64Array(dense.length)
      return (theta, gradient) => {
        const value = objective(spread(theta), inner)
        gradient.fill(0)
        for (const [index, { shared, own }] of dense.entries()) {
          const g = inner[index] ?? 0
          if (shared >= 0) gradient[shared] = (gradient[shared] ?? 0) + g
          if (own >= 0) gradient[own] = (gradient[own] ?? 0) + g
        }
        return value
      }
    },
    capFactor: (clip, theta) => {
      if (policyOf(clip) === 'free' || !isCapped(clip)) return undefined
      const group = held.groupOf.get(clip.ids[0] ?? -1)
      const shared = group === undefined ? undefined : sharedOf.get(group)
      return shared === undefined ? 1 : portable.exp(theta[shared] ?? 0)
    },
  }
}

/** Channels that something writes and something reads, and that nothing closes. */
export function openChannels(graph: ChannelGraph): number[] {
  const writers = [...graph.layers.map(({ output }) => output), ...gainsOf(graph)]
  const written = new Set(writers.flatMap((ids) => [...ids]))
  const read = new Set(graph.layers.flatMap(({ input }) => [...input]))
  return [...written].filter((channel) => read.has(channel) && !graph.closed.has(channel)).sort((a, b) => a - b)
}

const gainsOf = ({ carriers }: ChannelGraph) =>
  carriers.filter(({ role }) => role === 'gain' || role === 'divisor').map(({ ids }) => ids)

/** Does a Clip have a bound that a factor would move? */
export function isCapped({ low, high }: ChannelClip): boolean {
  return isBound(high) || (low !== 0 && isBound(low))
}

function isBound(x: number): boolean {
  return Math.abs(x) < 3.4e38
}

interface HeldCaps {
  /** Channel → group of Clips that share channels. */
  readonly groupOf: Map<number, number>
  /** How far ln s may fall below the group's shared number: ln(cap / (1.1 · largest value)), 0 when it reaches the cap. */
  readonly room: Map<number, number>
  /** Groups with a channel that keeps its scale. */
  readonly closed: Set<number>
}

/** Which caps are held, and how far values may come. */
interface CapRules {
  readonly policyOf: (clip: ChannelClip) => CapPolicy
  readonly reaches: (value: string) => Reach | undefined
}

function heldCaps(
  graph: ChannelGraph,
  statistics: Statistics,
  free: readonly number[],
  { policyOf, reaches }: CapRules,
): HeldCaps {
  const open = new Set(free)
  const groupOf = new Map<number, number>()
  const room = new Map<number, number>()
  const closed = new Set<number>()
  for (const [index, clip] of graph.clips.entries()) {
    if (policyOf(clip) === 'free' || !isCapped(clip)) continue
    const value = clip.node.inputs[0] ?? ''
    const [seen, reach] = [statistics.get(value)?.max, reaches(value)?.high]
    // Clips that share channels share the number: the first group's name is taken over.
    const known = [...new Set([...clip.ids].map((id) => groupOf.get(id)).filter((group) => group !== undefined))]
    const group = known[0] ?? index
    for (const [channel, old] of groupOf) if (known.includes(old)) groupOf.set(channel, group)
    if (known.some((old) => closed.has(old))) closed.add(group)
    for (const [c, channel] of clip.ids.entries()) {
      if (!open.has(channel)) {
        closed.add(group)
        continue
      }
      groupOf.set(channel, group)
      room.set(channel, Math.min(room.get(channel) ?? Number.POSITIVE_INFINITY, roomBelow(clip, seen?.[c], reach?.[c])))
    }
  }
  return { groupOf, room, closed }
}

function roomBelow({ low, high }: ChannelClip, seen: number | undefined, reach = 0): number {
  // A lower bound other than 0 binds from below: such channels stay together.
  if (seen === undefined || (low !== 0 && isBound(low))) return 0
  const largest = Math.max(MARGIN * seen, reach)
  if (largest <= 0) return LARGEST
  return Math.min(LARGEST, Math.max(0, portable.log(high / largest)))
}
