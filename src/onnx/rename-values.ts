// Giving values other names, wherever they are made or read, in the graphs inside as well.
import type { Attribute, Graph, Model, Node } from './model.ts'

/** The same model with values of the main graph under other names; its inputs and outputs keep theirs. */
export function renameValues(model: Model, names: ReadonlyMap<string, string>): Model {
  if (names.size === 0) return model
  const { inputs, outputs } = model.graph
  return { ...model, graph: { ...renamed(model.graph, names), inputs, outputs } }
}

function renamed(graph: Graph, names: ReadonlyMap<string, string>): Graph {
  const of = (name: string) => names.get(name) ?? name
  return {
    ...graph,
    nodes: graph.nodes.map((node) => renamedNode(node, names)),
    initializers: new Map([...graph.initializers].map(([name, tensor]) => [of(name), tensor])),
    outputs: graph.outputs.map((output) => (names.has(output.name) ? { ...output, name: of(output.name) } : output)),
    valueInfo: new Map([...graph.valueInfo].map(([name, info]) => [of(name), { ...info, name: of(name) }])),
  }
}

function renamedNode(node: Node, names: ReadonlyMap<string, string>): Node {
  const of = (name: string) => names.get(name) ?? name
  const attributes = new Map<string, Attribute>()
  for (const [name, attribute] of node.attributes)
    if (attribute.type === 'graph') attributes.set(name, { ...attribute, value: renamed(attribute.value, names) })
    else if (attribute.type === 'graphs')
      attributes.set(name, { ...attribute, value: attribute.value.map((graph) => renamed(graph, names)) })
    else attributes.set(name, attribute)
  return { ...node, inputs: node.inputs.map(of), outputs: node.outputs.map(of), attributes }
}
