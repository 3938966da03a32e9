// From nodes to boxes: what only follows its layer joins it, and blocks that repeat become one box until it is opened.
import type { DrawnNode } from '../types.ts'

export interface Box {
  /** The nodes in it, in graph order. */
  readonly members: readonly number[]
  /** Boxes that feed it. */
  readonly from: readonly number[]
  readonly title: string
  /** Layers in it, by their place in the list of layers. */
  readonly layers: readonly number[]
  /** For a box of repeats: how often, and the key to open it by. */
  readonly repeats?: { readonly count: number; readonly key: string }
}

export interface CollapseOptions {
  /** One box a node. */
  readonly everyNode?: boolean
  /** Blocks that repeat at least three times become one box. */
  readonly repeats?: boolean
  /** Repeats that are open. */
  readonly opened?: ReadonlySet<string>
}

interface Group {
  readonly members: readonly number[]
  readonly key?: string
  readonly count?: number
}

/** Makes the boxes of a graph whose nodes are in topological order. */
export function collapse(nodes: readonly DrawnNode[], options: CollapseOptions = {}): Box[] {
  const chains = options.everyNode === true ? nodes.map((_, index) => [index]) : chainsOf(nodes)
  const groups =
    options.repeats === true
      ? foldRepeats(nodes, chains, options.opened ?? new Set())
      : chains.map((members) => ({ members }))
  return boxesOf(nodes, groups)
}

/** Nodes that only pass on what one other node made join it: Conv, BatchNormalization, Relu are one chain. */
function chainsOf(nodes: readonly DrawnNode[]): number[][] {
  const readers = new Array<number>(nodes.length).fill(0)
  for (const { from } of nodes) for (const feeder of from) readers[feeder] = (readers[feeder] ?? 0) + 1
  const chainOf: number[] = []
  const chains: number[][] = []
  for (const [index, { op, from, layer }] of nodes.entries()) {
    const feeder = from.length === 1 ? from[0] : undefined
    const joins =
      feeder !== undefined &&
      readers[feeder] === 1 &&
      layer === undefined &&
      op !== 'Output' &&
      nodes[feeder]?.op !== 'Input'
    const chain = joins ? (chainOf[feeder] ?? chains.length) : chains.length
    chainOf[index] = chain
    chains[chain] = [...(chains[chain] ?? []), index]
  }
  return chains
}

/**
 * Cuts the chains into blocks wherever only one tensor goes on, and folds blocks that repeat three times or more.
 * A pattern may span up to six blocks.
 */
function foldRepeats(
  nodes: readonly DrawnNode[],
  chains: readonly (readonly number[])[],
  opened: ReadonlySet<string>,
): Group[] {
  const blocks = blocksOf(nodes, chains)
  const shapes = blocks.map((block) =>
    block.map((chain) => (chains[chain] ?? []).map((node) => nodes[node]?.op).join('·')).join(';'),
  )
  const groups: Group[] = []
  const single = (block: readonly number[] | undefined): void => {
    for (const chain of block ?? []) groups.push({ members: chains[chain] ?? [] })
  }
  for (let at = 0; at < blocks.length; ) {
    const { period, count } = longestRepeat(shapes, at)
    const key = `${at}×${count}`
    const span = blocks.slice(at, at + period * Math.max(1, count))
    if (count >= 3 && !opened.has(key))
      groups.push({ members: span.flat().flatMap((chain) => chains[chain] ?? []), key, count })
    else for (const block of span) single(block)
    at += span.length
  }
  return groups
}

/** The pattern from `at` on that covers most, and how often it comes. */
function longestRepeat(shapes: readonly string[], at: number): { readonly period: number; readonly count: number } {
  let best = { period: 1, count: 1 }
  for (let period = 1; period <= 6; period++) {
    let count = 1
    const matches = (start: number): boolean =>
      start + period <= shapes.length &&
      shapes.slice(start, start + period).every((shape, i) => shape === shapes[at + i])
    while (matches(at + count * period)) count++
    if (count >= 3 && period * count > best.period * best.count) best = { period, count }
  }
  return best
}

/** Chains between two places at which a single tensor is alive. */
function blocksOf(nodes: readonly DrawnNode[], chains: readonly (readonly number[])[]): number[][] {
  const chainOf = new Map(chains.flatMap((members, chain) => members.map((node) => [node, chain] as const)))
  const lastRead = chains.map((_, index) => index)
  for (const [chain, members] of chains.entries()) {
    for (const node of members) {
      for (const feeder of nodes[node]?.from ?? []) {
        const source = chainOf.get(feeder) ?? chain
        lastRead[source] = Math.max(lastRead[source] ?? 0, chain)
      }
    }
  }
  const blocks: number[][] = [[]]
  const alive = new Set<number>()
  for (const chain of chains.keys()) {
    blocks.at(-1)?.push(chain)
    alive.add(chain)
    for (const source of alive) if ((lastRead[source] ?? 0) <= chain) alive.delete(source)
    if (alive.size <= 1 && chain < chains.length - 1) blocks.push([])
  }
  return blocks
}

function boxesOf(nodes: readonly DrawnNode[], groups: readonly Group[]): Box[] {
  const boxOf = new Map(groups.flatMap(({ members }, box) => members.map((node) => [node, box] as const)))
  return groups.map(({ members, key, count }, box): Box => {
    const feeders = members.flatMap((node) => nodes[node]?.from ?? []).map((feeder) => boxOf.get(feeder) ?? box)
    const repeats = key !== undefined && count !== undefined ? { repeats: { key, count } } : {}
    return {
      members,
      from: [...new Set(feeders)].filter((feeder) => feeder !== box),
      title: count === undefined ? titleOf(nodes, members) : repeatTitle(nodes, members, count),
      layers: members.flatMap((node) => nodes[node]?.layer ?? []),
      ...repeats,
    }
  })
}

const short: Readonly<Record<string, string>> = {
  BatchNormalization: 'BatchNorm',
  QuantizeLinear: 'Q',
  DequantizeLinear: 'DQ',
  GlobalAveragePool: 'GlobalPool',
}

/** A layer by its operator and the end of its name; without a layer, what is done. */
function titleOf(nodes: readonly DrawnNode[], members: readonly number[]): string {
  const main = members.map((node) => nodes[node]).find((node) => node?.layer !== undefined)
  if (main !== undefined) return `${shortOp(main.op)} ${main.name.split('/').at(-1)?.slice(-22) ?? ''}`
  const ops = members.map((node) => nodes[node]?.op ?? '')
  const first = nodes[members[0] ?? 0]
  if (ops.length === 1 && (first?.op === 'Input' || first?.op === 'Output')) return `${first.op} ${first.name}`
  return ops.map(shortOp).join(' · ')
}

function repeatTitle(nodes: readonly DrawnNode[], members: readonly number[], count: number): string {
  const ops = members.slice(0, members.length / count).map((node) => shortOp(nodes[node]?.op ?? ''))
  return `${count} × (${[...new Set(ops)].slice(0, 4).join(', ')})`
}

function shortOp(op: string): string {
  return short[op] ?? op
}
