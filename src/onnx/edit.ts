// Changing a graph: one editor over a copy of the model that keeps producers and consumers up to date.

import { tensorAttribute } from './attributes.ts'
import {
  type Attribute,
  allInputs,
  cloneModel,
  type Graph,
  isOp,
  type Model,
  type Node,
  readsOf,
  subgraphsOf,
} from './model.ts'
import { sortNodes } from './sort.ts'
import { Tensor } from './tensor.ts'

/** What a new node is made of. */
export interface NodeSpec {
  readonly opType: string
  readonly name?: string
  readonly domain?: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes?: Readonly<Record<string, Attribute>>
}

/** Makes a node that is not part of a graph yet. */
export function makeNode(spec: NodeSpec): Node {
  return {
    name: spec.name ?? spec.outputs[0] ?? '',
    opType: spec.opType,
    domain: spec.domain ?? '',
    inputs: [...spec.inputs],
    outputs: [...spec.outputs],
    attributes: new Map(Object.entries(spec.attributes ?? {})),
  }
}

/**
 * Edits a copy of a model; the model given is never changed. Works on the main graph; what sub-graphs capture counts as
 * a use, so nothing they need is removed or changed under them.
 */
export class GraphEditor {
  readonly model: Model
  readonly graph: Graph
  readonly #producers = new Map<string, Node>()
  readonly #consumers = new Map<string, Set<Node>>()
  readonly #captured = new Map<string, number>()
  readonly #names = new Set<string>()
  readonly #nodeNames = new Set<string>()
  readonly #nodes: Set<Node>
  readonly #inputs: Set<string>

  constructor(model: Model) {
    this.model = cloneModel(model)
    this.graph = this.model.graph
    this.#inputs = new Set(allInputs(this.graph).map((input) => input.name))
    this.#nodes = new Set()
    for (const name of [...this.#inputs, ...this.graph.initializers.keys()]) this.#names.add(name)
    for (const node of this.graph.nodes) this.#register(node)
  }

  /** The nodes, in the order of the file plus added ones; safe to edit while looping over it. */
  nodes(...opTypes: string[]): Node[] {
    const all = [...this.#nodes]
    return opTypes.length === 0 ? all : all.filter((node) => isOp(node, ...opTypes))
  }

  has(node: Node): boolean {
    return this.#nodes.has(node)
  }

  producer(value: string): Node | undefined {
    return this.#producers.get(value)
  }

  /** Nodes that read a value, directly or from inside a sub-graph. */
  consumers(value: string): Node[] {
    return [...(this.#consumers.get(value) ?? [])]
  }

  /** Number of input slots (a node may read a value twice) and sub-graph captures that use a value. */
  uses(value: string): number {
    let count = this.#captured.get(value) ?? 0
    for (const node of this.consumers(value)) count += node.inputs.filter((name) => name === value).length
    return count + (this.isOutput(value) ? 1 : 0)
  }

  isOutput(value: string): boolean {
    return this.graph.outputs.some((output) => output.name === value)
  }

  isInput(value: string): boolean {
    return this.#inputs.has(value)
  }

  isCaptured(value: string): boolean {
    return this.#captured.has(value)
  }

  /** The only consumer of a value that is private to it: one use, no graph output, not captured by a sub-graph. */
  soleConsumer(value: string): Node | undefined {
    if (this.uses(value) !== 1 || this.isOutput(value) || this.isCaptured(value)) return undefined
    return this.consumers(value)[0]
  }

  /** The constant a value holds: an initialiser or a Constant node, also behind Identity. */
  constant(value: string | undefined): Tensor | undefined {
    if (!value) return undefined
    const tensor = this.graph.initializers.get(value)
    if (tensor) return tensor
    const node = this.#producers.get(value)
    if (!node) return undefined
    if (isOp(node, 'Constant')) return constantOf(node)
    return isOp(node, 'Identity') ? this.constant(node.inputs[0]) : undefined
  }

  /** A value name that is not taken. */
  freshName(hint: string): string {
    let name = hint
    for (let i = 1; this.#names.has(name); i++) name = `${hint}_${i}`
    this.#names.add(name)
    return name
  }

  /** Adds a constant and returns its name. */
  addTensor(hint: string, tensor: Tensor): string {
    const name = this.freshName(hint)
    this.graph.initializers.set(name, tensor)
    return name
  }

  /** Gives one input slot a constant of its own; other users of the old constant keep it. */
  setConstant(node: Node, index: number, tensor: Tensor, hint?: string): string {
    const old = node.inputs[index]
    const name = this.addTensor(hint ?? (old || `${node.outputs[0]}_${index}`), tensor)
    this.setInput(node, index, name)
    return name
  }

  addNode(spec: NodeSpec): Node {
    const node = makeNode({ ...spec, name: this.freshNodeName(spec.name ?? spec.outputs[0] ?? spec.opType) })
    this.#register(node)
    return node
  }

  /** A node name that is not taken. */
  freshNodeName(hint: string): string {
    let name = hint
    for (let i = 1; this.#nodeNames.has(name); i++) name = `${hint}_${i}`
    this.#nodeNames.add(name)
    return name
  }

  removeNode(node: Node): void {
    if (!this.#nodes.delete(node)) return
    for (const output of node.outputs) if (this.#producers.get(output) === node) this.#producers.delete(output)
    for (const value of readsOf(node)) this.#consumers.get(value)?.delete(node)
    this.#countCaptures(node, -1)
  }

  /** Puts a node in another's place; output names may be the same. Keeps the name when `spec` has none. */
  replaceNode(old: Node, spec: NodeSpec): Node {
    this.removeNode(old)
    this.#nodeNames.delete(old.name)
    return this.addNode({ name: old.name, ...spec })
  }

  setInput(node: Node, index: number, value: string): void {
    const before = node.inputs[index]
    while (node.inputs.length < index) node.inputs.push('')
    node.inputs[index] = value
    if (before && !readsOf(node).has(before)) this.#consumers.get(before)?.delete(node)
    if (value !== '') this.#addConsumer(value, node)
  }

  setOutput(node: Node, index: number, value: string): void {
    const before = node.outputs[index]
    if (before && this.#producers.get(before) === node) this.#producers.delete(before)
    node.outputs[index] = value
    if (value !== '') this.#producers.set(value, node)
    this.#names.add(value)
  }

  /** Makes every input slot that reads `from` read `to` instead. Graph outputs and captures are left. */
  redirect(from: string, to: string): void {
    for (const node of this.consumers(from))
      for (let i = 0; i < node.inputs.length; i++) if (node.inputs[i] === from) this.setInput(node, i, to)
  }

  /**
   * Removes a node that hands its first input on unchanged: readers of its output read its input.
   * When the output is a name the outside knows, the producer takes that name over.
   * @returns false when neither is possible (input to output directly, or a captured name)
   */
  bypass(node: Node): boolean {
    const input = node.inputs[0]
    const output = node.outputs[0]
    if (!input || !output) return false
    if (!this.isOutput(output) && !this.isCaptured(output)) {
      this.removeNode(node)
      this.redirect(output, input)
      return true
    }
    const producer = this.producer(input)
    if (!producer || this.isOutput(input) || this.isCaptured(input)) return false
    this.removeNode(node)
    this.setOutput(producer, producer.outputs.indexOf(input), output)
    this.redirect(input, output)
    return true
  }

  /** The edited model: nodes in topological order, unused nodes and constants dropped. */
  finish(): Model {
    let removed = true
    while (removed) {
      removed = false
      for (const node of this.#nodes) {
        if (node.outputs.some((output) => output !== '' && this.uses(output) > 0)) continue
        this.removeNode(node)
        removed = true
      }
    }
    for (const name of this.graph.initializers.keys()) if (this.uses(name) === 0) this.graph.initializers.delete(name)
    this.graph.nodes = sortNodes([...this.#nodes])
    for (const name of this.graph.valueInfo.keys()) if (!this.#producers.has(name)) this.graph.valueInfo.delete(name)
    return this.model
  }

  #register(node: Node): void {
    this.#nodes.add(node)
    if (node.name !== '') this.#nodeNames.add(node.name)
    for (const output of node.outputs) {
      if (output === '') continue
      this.#producers.set(output, node)
      this.#names.add(output)
    }
    for (const value of readsOf(node)) this.#addConsumer(value, node)
    this.#countCaptures(node, 1)
  }

  #addConsumer(value: string, node: Node): void {
    const set = this.#consumers.get(value)
    if (set) set.add(node)
    else this.#consumers.set(value, new Set([node]))
  }

  #countCaptures(node: Node, step: number): void {
    if (subgraphsOf(node).length === 0) return
    const direct = new Set(node.inputs)
    for (const value of readsOf(node)) {
      if (direct.has(value)) continue
      const count = (this.#captured.get(value) ?? 0) + step
      if (count > 0) this.#captured.set(value, count)
      else this.#captured.delete(value)
    }
    if (step > 0) for (const name of namesInside(node)) this.#names.add(name)
  }
}

function namesInside(node: Node): string[] {
  return subgraphsOf(node).flatMap((graph) => [
    ...graph.initializers.keys(),
    ...graph.inputs.map((input) => input.name),
    ...graph.nodes.flatMap((inner) => [...inner.outputs, ...namesInside(inner)]),
  ])
}

/** The tensor a Constant node makes, or undefined for forms that are not tensors. */
export function constantOf(node: Node): Tensor | undefined {
  const tensor = node.attributes.get('value')
  if (tensor) return tensorAttribute(node, 'value')
  const [name, attribute] = [...node.attributes][0] ?? []
  if (attribute?.type === 'float' && name === 'value_float') return Tensor.scalar(attribute.value)
  if (attribute?.type === 'floats' && name === 'value_floats')
    return Tensor.from('float32', [attribute.value.length], attribute.value)
  if (attribute?.type === 'int' && name === 'value_int')
    return Tensor.from('int64', [], BigInt64Array.of(attribute.value))
  if (attribute?.type === 'ints' && name === 'value_ints')
    return Tensor.from('int64', [attribute.value.length], BigInt64Array.from(attribute.value))
  return undefined
}
