// Constants that several places read, as they are or folded: a change in one place would store them twice.
import { type ChannelGraph, type Graph, type Node, readsOf, type Tensor } from '../../onnx/index.ts'
import { sourcesOf } from './origins.ts'

/** Smaller constants may be stored twice. */
export const WORTH_BYTES = 1024

/** The initialisers that share what they are stored as with another consumer: a weight of two layers, an embedding and its output layer. */
export function tiedTensors(graph: Graph): ReadonlySet<Tensor> {
  const consumers = new Map<Tensor, number>()
  const large: { tensor: Tensor; sources: Tensor[] }[] = []
  const uses = new Map<string, number>()
  const use = (name: string, count = 1) => uses.set(name, (uses.get(name) ?? 0) + count)
  for (const node of graph.nodes) {
    for (const name of node.inputs) use(name)
    const direct = new Set(node.inputs)
    for (const name of readsOf(node)) if (!direct.has(name)) use(name)
  }
  for (const { name } of graph.outputs) use(name)
  for (const [name, tensor] of graph.initializers) {
    if (tensor.byteLength < WORTH_BYTES) continue
    const sources = [...sourcesOf(tensor)].filter((source) => source.byteLength >= WORTH_BYTES)
    large.push({ tensor, sources })
    for (const source of sources) consumers.set(source, (consumers.get(source) ?? 0) + (uses.get(name) ?? 0))
  }
  return new Set(
    large
      .filter(({ sources }) => sources.some((source) => (consumers.get(source) ?? 0) > 1))
      .map(({ tensor }) => tensor),
  )
}

/** Closes the channels that a tied weight reads and writes: its elements cannot change without storing it twice. */
export function closeTied(channels: ChannelGraph, graph: Graph): ChannelGraph {
  const tied = tiedTensors(graph)
  const closed = new Map(channels.closed)
  for (const { layer, input, output } of channels.layers) {
    if (!tied.has(layer.weight)) continue
    for (const id of [...input, ...output])
      if (!closed.has(id)) closed.set(id, `the weight of ${layer.name} is read elsewhere too`)
  }
  return { ...channels, closed }
}

/** An initialiser that shares what it is stored as with a tensor, and who reads it; undefined stands for sub-graphs and the outside. */
export interface Relative {
  readonly name: string
  readonly consumers: readonly (Node | undefined)[]
}

/** The initialisers that are stored as the same numbers as a tensor: itself, and what was folded from the same source. */
export function relativesOf(graph: Graph, tensor: Tensor): Relative[] {
  const sources = sourcesOf(tensor)
  const large = (source: Tensor) => source.byteLength >= WORTH_BYTES && sources.has(source)
  return [...graph.initializers].flatMap(([name, other]) => {
    if (other !== tensor && ![...sourcesOf(other)].some(large)) return []
    const consumers = graph.nodes.flatMap((node): (Node | undefined)[] => {
      if (node.inputs.includes(name)) return [node]
      return readsOf(node).has(name) ? [undefined] : []
    })
    return [
      { name, consumers: graph.outputs.some((output) => output.name === name) ? [...consumers, undefined] : consumers },
    ]
  })
}
