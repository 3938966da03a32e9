// Where the parameters of a model are, in the words that people use: embedding, attention, feed-forward, convolution …
import { constantOf } from './edit.ts'
import { type Graph, isOp, type Model, type Node, subgraphsOf } from './model.ts'
import { factsOf } from './ops/index.ts'
import type { Tensor } from './tensor.ts'

export type PartName = 'embedding' | 'attention' | 'feed-forward' | 'linear' | 'convolution' | 'recurrent' | 'other'

/** One part of a model with what it stores. */
export interface Part {
  readonly part: PartName
  /** Operators that read these weights: how many layers people would count. */
  readonly layers: number
  /** Stored values. */
  readonly parameters: number
  readonly bytes: number
}

/** Operators that keep one constant the same numbers in another form or type. */
const forms = new Set([
  'Identity',
  'Transpose',
  'Reshape',
  'Squeeze',
  'Unsqueeze',
  'Flatten',
  'Cast',
  'DequantizeLinear',
])
const recurrent = new Set(['LSTM', 'GRU', 'RNN'])
/** Fused operators that hold the attention product inside. */
const attention = /^(Multi|Group|Packed|Sparse|Decoder|Paged)*(Head|Query|Masked|MultiHead)*(Self)?Attention$/

/**
 * Parameters by part, the largest first; constants of sub-graphs count too. A linear layer belongs to the attention when
 * nothing but moves and element-wise operators lies between it and a product of two activations; in a model without such
 * products linear layers are just that.
 */
export function partsOf(model: Model): Part[] {
  const readers: Reader[] = []
  collect(model.graph, () => undefined, readers)
  const products = readers.some(({ part }) => part === 'attention')
  const parts = new Map<PartName, { nodes: Set<Node>; tensors: Set<Tensor> }>()
  const seen = new Set<Tensor>()
  // A table that is looked up and multiplied with is stored once: as an embedding.
  const rank = (part: PartName) => (part === 'embedding' ? 0 : part === 'other' ? 2 : 1)
  for (const { node, tensor, part } of readers.toSorted((a, b) => rank(a.part) - rank(b.part))) {
    if (seen.has(tensor)) continue
    seen.add(tensor)
    const name = part === 'feed-forward' && !products ? 'linear' : part
    const own = parts.get(name) ?? { nodes: new Set(), tensors: new Set() }
    parts.set(name, own)
    own.nodes.add(node)
    own.tensors.add(tensor)
  }
  return [...parts]
    .map(([part, { nodes, tensors }]) => ({
      part,
      layers: nodes.size,
      parameters: [...tensors].reduce((sum, { size }) => sum + size, 0),
      bytes: [...tensors].reduce((sum, tensor) => sum + tensor.byteLength, 0),
    }))
    .sort((a, b) => b.bytes - a.bytes)
}

/** The part that each node with a constant weight belongs to, in the main graph. */
export function partOfLayers(model: Model): ReadonlyMap<Node, PartName> {
  const readers: Reader[] = []
  collect(model.graph, () => undefined, readers)
  return new Map(readers.map(({ node, part }) => [node, part] as const))
}

/** The linear layers of each attention, in graph order: those that a product of activations ties together. */
export function attentionGroups({ graph }: Model): ReadonlySet<Node>[] {
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  let groups: Set<Node>[] = []
  for (const found of attentionLayers(
    graph,
    makers,
    constantsIn(graph, makers, () => undefined),
  ).values()) {
    const same = groups.filter((group) => [...found].some((node) => group.has(node)))
    groups = [
      ...groups.filter((group) => !same.includes(group)),
      new Set([...same.flatMap((group) => [...group]), ...found]),
    ]
  }
  const place = new Map(graph.nodes.map((node, index) => [node, index] as const))
  const first = (group: ReadonlySet<Node>) => Math.min(...[...group].map((node) => place.get(node) ?? 0))
  return groups.filter(({ size }) => size > 0).sort((a, b) => first(a) - first(b))
}

interface Reader {
  readonly node: Node
  readonly tensor: Tensor
  readonly part: PartName
}

type LookUp = (value: string) => Tensor | undefined

function collect(graph: Graph, outer: LookUp, readers: Reader[]): void {
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const constant = constantsIn(graph, makers, outer)
  const mixes = new Set([...attentionLayers(graph, makers, constant).values()].flatMap((found) => [...found]))
  for (const node of graph.nodes) {
    if (isOp(node, 'Constant') || forms.has(node.opType)) continue
    for (const [index, input] of node.inputs.entries()) {
      const tensor = input === '' ? undefined : constant(input)
      if (tensor && isWeight(tensor)) readers.push({ node, tensor, part: partOf(node, index, mixes) })
    }
    for (const inner of subgraphsOf(node)) collect(inner, constant, readers)
  }
}

/** Looks a constant up behind what keeps its numbers. */
function constantsIn(graph: Graph, makers: ReadonlyMap<string, Node>, outer: LookUp): LookUp {
  return (value) => {
    for (let name = value, steps = 0; name !== '' && steps <= graph.nodes.length; steps++) {
      const tensor = graph.initializers.get(name)
      if (tensor) return tensor
      const maker = makers.get(name)
      if (!maker) return outer(name)
      if (isOp(maker, 'Constant')) return constantOf(maker)
      if (!forms.has(maker.opType)) return undefined
      name = maker.inputs[0] ?? ''
    }
    return undefined
  }
}

/** Numbers that were learnt: floats, and the codes that stand for them; shapes and indices are int64. */
function isWeight({ dtype }: Tensor): boolean {
  return /^b?float|^double|^u?int[248]$/.test(dtype)
}

function partOf(node: Node, index: number, mixes: ReadonlySet<Node>): PartName {
  if (/^Gather/.test(node.opType) && index === 0) return 'embedding'
  if (/Conv/.test(node.opType)) return 'convolution'
  if (recurrent.has(node.opType.replace(/^Dynamic(Quantize)?/, ''))) return 'recurrent'
  if (mixes.has(node)) return 'attention'
  return isLinear(node) ? 'feed-forward' : 'other'
}

function isLinear(node: Node): boolean {
  return factsOf(node).layer !== undefined || /MatMul|Gemm/.test(node.opType)
}

/** Products of two activations → linear layers that feed one, or read it, with no other layer between; fused attention itself. */
function attentionLayers(graph: Graph, makers: ReadonlyMap<string, Node>, constant: LookUp): Map<Node, Set<Node>> {
  const consumers = new Map<string, Node[]>()
  for (const node of graph.nodes)
    for (const input of new Set(node.inputs)) consumers.set(input, [...(consumers.get(input) ?? []), node])
  const weighted = (node: Node) => isLinear(node) && node.inputs.some((input) => constant(input) !== undefined)
  const fused = graph.nodes.filter((node) => attention.test(node.opType))
  const products = [...graph.nodes.filter((node) => isOp(node, 'MatMul', 'Einsum') && !weighted(node)), ...fused]
  const groups = new Map(
    products.map((product) => [product, new Set<Node>(fused.includes(product) ? [product] : [])] as const),
  )
  const reach = (start: Node, found: Set<Node>, next: (node: Node) => readonly (Node | undefined)[]) => {
    const seen = new Set<Node>([start])
    const open = [start]
    for (let node = open.pop(); node; node = open.pop())
      for (const other of next(node)) {
        if (!other || seen.has(other)) continue
        seen.add(other)
        if (weighted(other)) found.add(other)
        else if (!factsOf(other).layer) open.push(other)
      }
  }
  for (const [product, found] of groups) {
    reach(product, found, (node) => node.inputs.map((input) => makers.get(input)))
    reach(product, found, (node) =>
      joins(node, product) ? [] : node.outputs.flatMap((output) => consumers.get(output) ?? []),
    )
  }
  return groups
}

/** Does the stream go on behind an addition of two activations? Then what follows reads the residual, not the product. */
function joins(node: Node, start: Node): boolean {
  return node !== start && isOp(node, 'Add', 'Sum', 'LayerNormalization')
}
