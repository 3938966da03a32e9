// A model's own functions written out where they are called.
import { InputError, UnsupportedError } from '../base/index.ts'
import { makeNode } from './edit.ts'
import { nodeName } from './layers.ts'
import {
  type Attribute,
  allInputs,
  allNodes,
  cloneModel,
  type Graph,
  type LocalFunction,
  type Model,
  type Node,
  type ValueInfo,
} from './model.ts'

/** Nodes that a model may have after its functions are written out: calls of calls multiply. */
const MOST_NODES = 1_000_000

/** A function by what a node says of it. */
const keyOf = (domain: string, name: string, overload = '') => `${domain}:${name}:${overload}`

/** Looks up the function that a node calls. */
function functionOf(model: Pick<Model, 'functions'>): (node: Node) => LocalFunction | undefined {
  const known = new Map((model.functions ?? []).map((each) => [keyOf(each.domain, each.name, each.overload), each]))
  return (node) => known.get(keyOf(node.domain, node.opType, node.overload))
}

/**
 * Writes out all calls of a model's functions, in sub-graphs and inside functions too. The model given is not changed. As in
 * ONNX Runtime, a function's nodes are of the model's opset, whatever opset the function names.
 * @returns the model and the calls that were written out
 * @throws InputError when a function calls itself
 */
export function inlineFunctions(model: Model): { readonly model: Model; readonly calls: readonly Node[] } {
  const { functions = [] } = model
  if (functions.length === 0) return { model, calls: [] }
  const copy = cloneModel(model)
  const inliner = new Inliner(copy)
  inliner.graph(copy.graph)
  const used = new Set([...allNodes(copy.graph)].map(({ domain }) => domain))
  for (const { domain } of functions) if (!used.has(domain)) copy.opsets.delete(domain)
  const { functions: _, ...rest } = copy
  return { model: rest, calls: inliner.calls }
}

class Inliner {
  readonly calls: Node[] = []
  readonly #model: Model
  readonly #find: (node: Node) => LocalFunction | undefined
  readonly #names = new Set<string>()
  #count = 0

  constructor(model: Model) {
    this.#model = model
    this.#find = functionOf(model)
    this.#note(model.graph)
  }

  graph(graph: Graph): void {
    graph.nodes = graph.nodes.flatMap((node) => this.#written(node, graph, []))
  }

  #note(graph: Graph): void {
    for (const { name } of allInputs(graph)) this.#names.add(name)
    for (const name of graph.initializers.keys()) this.#names.add(name)
    for (const node of allNodes(graph)) {
      for (const name of [...node.outputs, node.name]) this.#names.add(name)
      for (const attribute of node.attributes.values())
        for (const inner of graphsOf(attribute))
          for (const name of [...inner.initializers.keys(), ...inner.inputs.map((input) => input.name)])
            this.#names.add(name)
    }
  }

  /** A node as it is, with what its sub-graphs call written out, or the nodes of the function that it calls. */
  #written(node: Node, graph: Graph, within: readonly LocalFunction[]): Node[] {
    for (const attribute of node.attributes.values())
      for (const inner of graphsOf(attribute))
        inner.nodes = inner.nodes.flatMap((each) => this.#written(each, inner, within))
    const called = this.#find(node)
    if (!called) return [node]
    if (within.includes(called))
      throw new InputError(`function ${called.domain}.${called.name} calls itself`, {
        node: node.name,
        op: called.name,
      })
    this.calls.push(node)
    for (const [domain, version] of called.opsets)
      if (!this.#model.opsets.has(domain)) this.#model.opsets.set(domain, version)
    const nodes = this.#body(node, called, graph)
    this.#count += nodes.length
    if (this.#count > MOST_NODES)
      throw new UnsupportedError(`the model's functions make more than ${MOST_NODES} nodes when they are written out`)
    return nodes.flatMap((each) => this.#written(each, graph, [...within, called]))
  }

  #body(call: Node, called: LocalFunction, graph: Graph): Node[] {
    const prefix = nodeName(call)
    const names = new Map([['', '']])
    for (const [index, input] of called.inputs.entries()) names.set(input, call.inputs[index] ?? '')
    // What a call gives keeps its name outside; an input handed on, or a value given twice, needs a node that copies it.
    const copies: Node[] = []
    for (const [index, value] of called.outputs.entries()) {
      const output = call.outputs[index] ?? ''
      if (output === '') continue
      if (!names.has(value)) names.set(value, output)
      else
        copies.push(
          makeNode({ opType: 'Identity', name: this.#fresh(`${prefix}/${value}`), inputs: [value], outputs: [output] }),
        )
    }
    const rename = (name: string): string => {
      const known = names.get(name)
      if (known !== undefined) return known
      const fresh = this.#fresh(`${prefix}/${name}`)
      names.set(name, fresh)
      return fresh
    }
    const context = { rename, fresh: (hint: string) => this.#fresh(`${prefix}/${hint}`), call, called }
    const nodes = called.nodes.map((node) => renamed(node, context))
    for (const copy of copies) copy.inputs[0] = rename(copy.inputs[0] ?? '')
    for (const [name, info] of called.valueInfo) {
      const value = names.get(name)
      if (value && !called.inputs.includes(name)) graph.valueInfo.set(value, namedInfo(info, value))
    }
    return [...nodes, ...copies]
  }

  #fresh(hint: string): string {
    let name = hint
    for (let i = 1; this.#names.has(name); i++) name = `${hint}_${i}`
    this.#names.add(name)
    return name
  }
}

interface Renaming {
  readonly rename: (name: string) => string
  readonly fresh: (hint: string) => string
  readonly call: Node
  readonly called: LocalFunction
}

function graphsOf(attribute: Attribute): readonly Graph[] {
  if (attribute.type === 'graph') return [attribute.value]
  return attribute.type === 'graphs' ? attribute.value : []
}

function renamed(node: Node, context: Renaming): Node {
  const attributes = new Map<string, Attribute>()
  for (const [name, attribute] of node.attributes) {
    const value = inCall(attribute, context)
    if (value) attributes.set(name, value)
  }
  return {
    ...node,
    name: context.fresh(nodeName(node)),
    inputs: node.inputs.map(context.rename),
    outputs: node.outputs.map(context.rename),
    attributes,
  }
}

/** An attribute of a function's node in a call: taken from the call, or the function's default, or absent. */
function inCall(attribute: Attribute, context: Renaming): Attribute | undefined {
  if (attribute.type === 'other' && attribute.reference !== undefined)
    return context.call.attributes.get(attribute.reference) ?? context.called.attributes.get(attribute.reference)
  if (attribute.type === 'graph') return { ...attribute, value: renamedGraph(attribute.value, context) }
  if (attribute.type === 'graphs')
    return { ...attribute, value: attribute.value.map((graph) => renamedGraph(graph, context)) }
  return attribute
}

function renamedGraph(graph: Graph, context: Renaming): Graph {
  const { rename } = context
  const infos = (list: readonly ValueInfo[]) => list.map((info) => namedInfo(info, rename(info.name)))
  return {
    ...graph,
    nodes: graph.nodes.map((node) => renamed(node, context)),
    initializers: new Map([...graph.initializers].map(([name, tensor]) => [rename(name), tensor])),
    inputs: infos(graph.inputs),
    outputs: infos(graph.outputs),
    valueInfo: new Map(infos([...graph.valueInfo.values()]).map((info) => [info.name, info])),
  }
}

function namedInfo(info: ValueInfo, name: string): ValueInfo {
  return { ...info, name }
}
