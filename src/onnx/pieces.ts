// A model too large to run as a whole, cut into pieces that run one after the other: each holds so many bytes of constants.
import { isValueType } from '../base/index.ts'
import { extractModel } from './extract.ts'
import { allInputs, type Graph, isOp, type Model, type Node, readsOf, type ValueInfo } from './model.ts'
import type { Tensor } from './tensor.ts'
import { inferTypes } from './types.ts'

/** A part of a model, with the values that it takes from those before it and gives to those behind as inputs and outputs. */
export interface Piece {
  readonly model: Model
  /** Values made before it that nothing behind it reads. */
  readonly last: readonly string[]
}

/** Nodes with fewer bytes of constants run as soon as what they read is there. */
const LIGHT = 2 ** 20

/**
 * Cuts a model so that no piece has more than `limit` bytes of constants, as far as nodes allow that. What depends on constants alone
 * is computed in the piece that reads it.
 * @returns undefined where one piece remains, or where a value would have to be handed over that is no readable tensor
 */
export function piecesOf(model: Model, limit: number): readonly Piece[] | undefined {
  const { graph } = model
  if (graph.overridable?.size) return undefined
  const numbers = numberNodes(graph, limit)
  const count = Math.max(0, ...numbers.values()) + 1
  if (count === 1) return undefined
  const makers = new Map(
    [...numbers].flatMap(([node, number]) => node.outputs.map((output) => [output, number] as const)),
  )
  const ends = new Set(graph.outputs.map(({ name }) => name))
  // An output that is an input or a constant belongs to no piece.
  if ([...ends].some((name) => !makers.has(name))) return undefined
  const readers = lastReaders(numbers, makers)
  const types = inferTypes(graph)
  const infos = new Map<string, ValueInfo>()
  for (const [value, reader] of readers) {
    if (reader === makers.get(value)) continue
    const type = types.get(value)
    if (!type?.dtype || type.inside.length > 0 || !isValueType(type.dtype)) return undefined
    // Declared sizes may be wrong, and nobody would notice; a rank decides what ONNX Runtime fuses.
    const rank = graph.valueInfo.get(value)?.shape?.map(() => null)
    infos.set(value, { name: value, dtype: type.dtype, ...(rank ? { shape: rank } : {}) })
  }
  const declared = new Map(graph.outputs.map((info) => [info.name, info]))
  return Array.from({ length: count }, (_, number) => {
    const outputs = [...makers].flatMap(([value, maker]) => {
      const info = declared.get(value) ?? infos.get(value)
      return maker === number && info ? [info] : []
    })
    const inputs = [...infos.values()].filter(({ name }) => (makers.get(name) ?? 0) < number)
    const last = [...infos.keys()].filter((name) => readers.get(name) === number && !ends.has(name))
    return { model: extractModel(model, outputs, inputs), last }
  }).filter(({ model: { graph: piece } }) => piece.outputs.length > 0)
}

/** The number of the piece in which each node runs that depends on an input. */
function numberNodes(graph: Graph, limit: number): Map<Node, number> {
  const live = new Set(allInputs(graph).map(({ name }) => name))
  const constant = new Map<string, Node>()
  const numbers = new Map<Node, number>()
  const makers = new Map<string, Node>()
  const taken: number[] = [0]
  for (const node of graph.nodes) {
    const reads = [...readsOf(node)]
    // What reads nothing and is no constant may be random: it runs once.
    if ((reads.length > 0 || isOp(node, 'Constant')) && !reads.some((value) => live.has(value))) {
      for (const output of node.outputs) constant.set(output, node)
      continue
    }
    const bytes = constantBytes(reads, graph, constant)
    const earliest = Math.max(0, ...reads.map((value) => numbers.get(makers.get(value) ?? node) ?? 0))
    const current = taken.length - 1
    let number = bytes < LIGHT ? earliest : current
    if (bytes >= LIGHT && (taken[current] ?? 0) > 0 && (taken[current] ?? 0) + bytes > limit) number = taken.push(0) - 1
    taken[number] = (taken[number] ?? 0) + bytes
    numbers.set(node, number)
    for (const output of node.outputs) {
      live.add(output)
      makers.set(output, node)
    }
  }
  return numbers
}

/** Bytes of the constants that a node reads, and of those that what it reads is computed from. */
function constantBytes(reads: readonly string[], { initializers }: Graph, made: ReadonlyMap<string, Node>): number {
  const found = new Set<Tensor>()
  const seen = new Set<string>()
  const open = [...reads]
  while (open.length > 0) {
    const value = open.pop() ?? ''
    if (seen.has(value)) continue
    seen.add(value)
    const tensor = initializers.get(value)
    if (tensor) found.add(tensor)
    else open.push(...(made.has(value) ? readsOf(made.get(value) as Node) : []))
  }
  return [...found].reduce((sum, { byteLength }) => sum + byteLength, 0)
}

/** The last piece that reads each value. */
function lastReaders(numbers: ReadonlyMap<Node, number>, makers: ReadonlyMap<string, number>): Map<string, number> {
  const readers = new Map<string, number>()
  for (const [node, number] of numbers)
    for (const value of readsOf(node))
      if (makers.has(value)) readers.set(value, Math.max(number, readers.get(value) ?? 0))
  return readers
}
