// Outputs that nobody reads need a name all the same where ONNX Runtime asks for one: it crashes on a Split without.
import { allInputs, allNodes, type Graph, type Node } from './model.ts'
import { factsOf } from './ops/index.ts'

/** Names the unnamed outputs of operators that must have all of theirs, inside sub-graphs too. */
export function nameOutputs(graph: Graph): void {
  const unnamed = [...allNodes(graph)].filter((node) => factsOf(node).namesOutputs && node.outputs.includes(''))
  if (unnamed.length === 0) return
  const taken = new Set([...allNodes(graph)].flatMap((node) => [...node.inputs, ...node.outputs]))
  for (const name of [...allInputs(graph).map((input) => input.name), ...graph.initializers.keys()]) taken.add(name)
  for (const node of unnamed) nameEach(node, taken)
}

function nameEach(node: Node, taken: Set<string>): void {
  const hint = node.outputs.find((output) => output !== '') ?? (node.name || node.opType)
  for (const [index, output] of node.outputs.entries()) {
    if (output !== '') continue
    let name = `${hint}/unused_${index}`
    while (taken.has(name)) name += '_'
    taken.add(name)
    node.outputs[index] = name
  }
}
