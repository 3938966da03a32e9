// Cutting a model: only what is needed to compute some values from some others.
import { InputError } from '../base/index.ts'
import { cloneNode, type Graph, type Model, type Node, readsOf, type ValueInfo } from './model.ts'

/**
 * The part of a model that computes `outputs`, given `inputs` (names of any values; the model's own inputs are added when
 * they are needed). A node of which one output is given and another one is needed runs, and what it computes a second time
 * has a name of its own. Nodes and tensors are shared with the original, which is not changed: do not edit the result in
 * place.
 * @throws InputError when a value is unknown
 */
export function extractModel(model: Model, outputs: readonly ValueInfo[], inputs: readonly ValueInfo[] = []): Model {
  const { graph } = model
  const producers = new Map<string, Node>()
  for (const node of graph.nodes) for (const output of node.outputs) if (output !== '') producers.set(output, node)
  const given = new Map(inputs.map((input) => [input.name, input]))
  const own = new Map(graph.inputs.map((input) => [input.name, input]))
  const used = new Map<string, ValueInfo>()
  const needed = new Set<Node>()
  const initializers = new Set<string>()
  const open = outputs.map((output) => output.name)
  const seen = new Set<string>()
  while (open.length > 0) {
    const value = open.pop()
    if (value === undefined || seen.has(value)) continue
    seen.add(value)
    const input = given.get(value) ?? own.get(value)
    const node = producers.get(value)
    if (input) used.set(value, input)
    else if (graph.initializers.has(value) || graph.overridable?.has(value)) initializers.add(value)
    else if (node) {
      needed.add(node)
      open.push(...readsOf(node))
    } else if (value !== '') throw new InputError(`the model has no value "${value}"`, { tensor: value })
  }
  const taken = (name: string) => producers.has(name) || own.has(name) || graph.initializers.has(name)
  const inner: Graph = {
    name: graph.name,
    nodes: graph.nodes.filter((node) => needed.has(node)).map((node) => withoutGiven(node, given, taken)),
    initializers: new Map([...graph.initializers].filter(([name]) => initializers.has(name))),
    inputs: [...graph.inputs, ...inputs].filter(
      (input, index, all) => used.get(input.name) === input && all.indexOf(input) === index,
    ),
    ...(graph.overridable
      ? { overridable: new Map([...graph.overridable].filter(([name]) => initializers.has(name))) }
      : {}),
    outputs: [...outputs],
    valueInfo: new Map(),
  }
  return { ...model, opsets: new Map(model.opsets), metadata: new Map(), graph: inner, notes: [] }
}

/** The node, with other names for those of its outputs that the part is given: a value has one maker. */
function withoutGiven(node: Node, given: ReadonlyMap<string, ValueInfo>, taken: (name: string) => boolean): Node {
  if (!node.outputs.some((output) => given.has(output))) return node
  const copy = cloneNode(node)
  for (const [index, output] of node.outputs.entries()) {
    if (!given.has(output)) continue
    let name = `${output}/again`
    for (let i = 1; taken(name); i++) name = `${output}/again_${i}`
    copy.outputs[index] = name
  }
  return copy
}
