// Running only what follows a layer: the values at the cut are computed once, each candidate costs the rest of the network.
import { containersOf, type Graph, type Model, type Node, readsOf } from '../onnx/index.ts'

/**
 * Values that everything depending on `output` reads from before it: what a run of the rest of the model is fed with. A
 * sequence cannot be fed: what it is made of stands for it.
 */
export function cutBefore(model: Model, output: string): string[] {
  const { graph } = model
  const constants = constantValues(graph)
  const behind = new Set<string>()
  const cut = new Set<string>()
  for (const node of graph.nodes) {
    const reads = [...readsOf(node)]
    if (!node.outputs.includes(output) && !reads.some((name) => behind.has(name))) continue
    for (const name of node.outputs) behind.add(name)
    for (const name of reads) if (!behind.has(name) && !constants.has(name)) cut.add(name)
  }
  const containers = containersOf(graph)
  for (const name of cut) {
    if (!containers.has(name)) continue
    cut.delete(name)
    const maker = graph.nodes.find((node) => node.outputs.includes(name))
    for (const read of maker ? readsOf(maker) : []) if (!constants.has(read)) cut.add(read)
  }
  return [...cut]
}

/** Initialisers, and what is made from them alone. */
function constantValues(graph: Graph): Set<string> {
  const constants = new Set(graph.initializers.keys())
  const isConstant = (node: Node) => [...readsOf(node)].every((name) => constants.has(name))
  for (const node of graph.nodes) if (isConstant(node)) for (const name of node.outputs) constants.add(name)
  return constants
}
