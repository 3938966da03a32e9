// Which layers feed a residual Add, so that their fit can repair the drift of the other operand.
import { type Graph, isOp, type Node, readsOf, type Shapes } from '../onnx/index.ts'

/**
 * For each layer output that goes into an Add, and nowhere else, the Add's other operand, if it is of the same shape and
 * known by the time the layer is fitted: not made from layers that are fitted later.
 * @param outputs outputs of the layers in the order in which they are fitted
 */
export function residualOperands(graph: Graph, outputs: readonly string[], shapes: Shapes): Map<string, string> {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const made = new Set(graph.outputs.map((output) => output.name))
  const operands = new Map<string, string>()
  for (const [index, output] of outputs.entries()) {
    const consumers = graph.nodes.filter((node) => readsOf(node).has(output))
    const [add] = consumers
    if (!add || consumers.length !== 1 || made.has(output) || !isOp(add, 'Add') || add.inputs[0] === add.inputs[1])
      continue
    const other = add.inputs[0] === output ? add.inputs[1] : add.inputs[0]
    if (!other || graph.initializers.has(other) || !producers.has(other)) continue
    const same = shapes.get(other)?.dims.join() === shapes.get(output)?.dims.join()
    const later = new Set(outputs.slice(index))
    if (same && !dependsOn(other, later, producers)) operands.set(output, other)
  }
  return operands
}

/** Is a value made from any of these? */
function dependsOn(value: string, later: ReadonlySet<string>, producers: ReadonlyMap<string, Node>): boolean {
  const seen = new Set<string>()
  const open = [value]
  while (open.length > 0) {
    const name = open.pop()
    if (name === undefined || seen.has(name)) continue
    if (later.has(name)) return true
    seen.add(name)
    const node = producers.get(name)
    if (node) open.push(...readsOf(node))
  }
  return false
}
