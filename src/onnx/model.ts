// The nouns: Model, Graph, Node, ValueInfo, Attribute. Plain data; knows nothing of protobuf or files.
import type { DType } from './dtype.ts'
import type { Tensor } from './tensor.ts'
import type { ValueType } from './value-type.ts'

/** One dimension: a size, a named dynamic one, or null for an unnamed dynamic one. */
export type Dim = number | string | null

/** A declared value. `dtype` is absent for sequences, maps and optionals, `shape` when the rank is not declared. */
export interface ValueInfo {
  readonly name: string
  readonly dtype?: DType
  readonly shape?: readonly Dim[]
  /** What a sequence, map or optional is. */
  readonly container?: ValueType
  readonly raw?: unknown
}

/** An attribute. Values are never changed in place: set a new one. */
export type Attribute =
  | { readonly type: 'int'; readonly value: bigint; readonly raw?: unknown }
  | { readonly type: 'float'; readonly value: number; readonly raw?: unknown }
  | { readonly type: 'string'; readonly value: string; readonly raw?: unknown }
  | { readonly type: 'ints'; readonly value: readonly bigint[]; readonly raw?: unknown }
  | { readonly type: 'floats'; readonly value: readonly number[]; readonly raw?: unknown }
  | { readonly type: 'strings'; readonly value: readonly string[]; readonly raw?: unknown }
  | { readonly type: 'tensor'; readonly value: Tensor; readonly raw?: unknown }
  | { readonly type: 'graph'; readonly value: Graph; readonly raw?: unknown }
  | { readonly type: 'graphs'; readonly value: readonly Graph[]; readonly raw?: unknown }
  /** Sparse tensors and types: passed through untouched. Inside a function, the attribute of its call that this one takes. */
  | { readonly type: 'other'; readonly raw: unknown; readonly reference?: string }

/** An operation. An absent optional input is an empty string, as in the file. */
export interface Node {
  name: string
  readonly opType: string
  /** Empty for ONNX's own operators. */
  readonly domain: string
  readonly inputs: string[]
  readonly outputs: string[]
  readonly attributes: Map<string, Attribute>
  /** Tells functions of the same name apart; absent when there is only one. */
  readonly overload?: string
  readonly raw?: unknown
}

/** An input with a default, which is what it is until somebody feeds it (IR 4 and above). Nobody may take it for a constant. */
export interface Overridable {
  readonly info: ValueInfo
  readonly value: Tensor
}

export interface Graph {
  readonly name: string
  nodes: Node[]
  readonly initializers: Map<string, Tensor>
  /** What has to be fed. */
  readonly inputs: ValueInfo[]
  /** What may be fed. */
  readonly overridable?: ReadonlyMap<string, Overridable>
  readonly outputs: ValueInfo[]
  /** Declared inner values by name. */
  readonly valueInfo: Map<string, ValueInfo>
  readonly raw?: unknown
}

/** A function of the model's own: an operator that is made of other ones. */
export interface LocalFunction {
  readonly domain: string
  readonly name: string
  readonly overload: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** Attributes that a call may set, those with a default among them. */
  readonly attributes: ReadonlyMap<string, Attribute | undefined>
  readonly nodes: readonly Node[]
  readonly valueInfo: ReadonlyMap<string, ValueInfo>
  readonly opsets: ReadonlyMap<string, number>
  readonly raw?: unknown
}

export interface Model {
  irVersion: number
  /** Domain (empty for ONNX's own) → opset version. */
  readonly opsets: Map<string, number>
  readonly producer: string
  readonly metadata: Map<string, string>
  readonly graph: Graph
  /** The model's own functions that are not written out where they are called. */
  readonly functions?: readonly LocalFunction[]
  /** What was normalised when the file was read, a sentence each. */
  readonly notes: readonly string[]
  readonly raw?: unknown
}

/** The opset of ONNX's own operators. */
export function opsetOf(model: Model): number {
  return model.opsets.get('') ?? model.opsets.get('ai.onnx') ?? 1
}

/** The inputs of a graph, those with a default last. */
export function allInputs(graph: Graph): ValueInfo[] {
  return [...graph.inputs, ...[...(graph.overridable?.values() ?? [])].map(({ info }) => info)]
}

/** Is the node ONNX's own operator of this type? */
export function isOp(node: Node, ...opTypes: readonly string[]): boolean {
  return (node.domain === '' || node.domain === 'ai.onnx') && opTypes.includes(node.opType)
}

/** Copies a node; sub-graphs are copied, tensors are shared. */
export function cloneNode(node: Node): Node {
  const attributes = new Map<string, Attribute>()
  for (const [name, attribute] of node.attributes) attributes.set(name, cloneAttribute(attribute))
  return { ...node, inputs: [...node.inputs], outputs: [...node.outputs], attributes }
}

function cloneAttribute(attribute: Attribute): Attribute {
  if (attribute.type === 'graph') return { ...attribute, value: cloneGraph(attribute.value) }
  if (attribute.type === 'graphs') return { ...attribute, value: attribute.value.map(cloneGraph) }
  return attribute
}

/** Copies a graph; its tensors are shared, so this takes milliseconds whatever the weights weigh. */
export function cloneGraph(graph: Graph): Graph {
  return {
    ...graph,
    nodes: graph.nodes.map(cloneNode),
    initializers: new Map(graph.initializers),
    inputs: [...graph.inputs],
    outputs: [...graph.outputs],
    valueInfo: new Map(graph.valueInfo),
  }
}

/** The same graph with other constants; nodes and all other tensors are shared. */
export function withTensors(model: Model, tensors: ReadonlyMap<string, Tensor>): Model {
  return {
    ...model,
    graph: { ...model.graph, initializers: new Map([...model.graph.initializers, ...tensors]) },
  }
}

/** Declared inner values without their shapes, for a graph in which those are others. */
export function withoutShapes(valueInfo: ReadonlyMap<string, ValueInfo>): Map<string, ValueInfo> {
  return new Map(
    [...valueInfo.values()].map(({ name, dtype, container, raw }): [string, ValueInfo] => [
      name,
      container ? { name, container, raw } : { name, ...(dtype ? { dtype } : {}) },
    ]),
  )
}

/** Copies a model; its tensors are shared. */
export function cloneModel(model: Model): Model {
  return {
    ...model,
    opsets: new Map(model.opsets),
    metadata: new Map(model.metadata),
    graph: cloneGraph(model.graph),
  }
}

/** The graphs inside a node's attributes: branches of If, bodies of Loop and Scan. */
export function subgraphsOf(node: Node): Graph[] {
  const found: Graph[] = []
  for (const attribute of node.attributes.values()) {
    if (attribute.type === 'graph') found.push(attribute.value)
    else if (attribute.type === 'graphs') found.push(...attribute.value)
  }
  return found
}

/** All nodes of a graph and, depth first, of the graphs inside it. */
export function* allNodes(graph: Graph): Generator<Node> {
  for (const node of graph.nodes) {
    yield node
    for (const inner of subgraphsOf(node)) yield* allNodes(inner)
  }
}

/** Names that a node reads: its inputs, and what its sub-graphs capture from outside. */
export function readsOf(node: Node): Set<string> {
  const reads = new Set(node.inputs.filter((name) => name !== ''))
  for (const inner of subgraphsOf(node)) for (const name of capturesOf(inner)) reads.add(name)
  return reads
}

/** Names that a sub-graph takes from the graphs around it. */
export function capturesOf(graph: Graph): Set<string> {
  const own = new Set([...allInputs(graph).map((input) => input.name), ...graph.initializers.keys()])
  for (const node of graph.nodes) for (const output of node.outputs) own.add(output)
  const captured = new Set<string>()
  for (const node of graph.nodes) for (const name of readsOf(node)) if (!own.has(name)) captured.add(name)
  for (const output of graph.outputs) if (!own.has(output.name)) captured.add(output.name)
  return captured
}
