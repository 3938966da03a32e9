// Single constants of a graph, computed when somebody asks: sizes are known without folding the weights beside them.
import { type Constants, constantOf, type Graph, isOp, type Node, type Tensor } from '../../onnx/index.ts'
import { computeRules } from './compute.ts'
import { moveRules } from './move.ts'

const rules = { ...moveRules, ...computeRules }

/** Looks up what a value is, where it depends on constants alone. */
export function computedConstants(graph: Graph): Constants {
  const producers = new Map<string, Node>()
  for (const node of graph.nodes) if (node.outputs.length === 1) producers.set(node.outputs[0] ?? '', node)
  const known = new Map<string, Tensor | undefined>()
  const lookUp = (value: string | undefined): Tensor | undefined => {
    if (!value) return undefined
    const tensor = graph.initializers.get(value)
    if (tensor || known.has(value)) return tensor ?? known.get(value)
    known.set(value, undefined)
    const result = compute(producers.get(value), lookUp)
    known.set(value, result)
    return result
  }
  return lookUp
}

function compute(node: Node | undefined, lookUp: Constants): Tensor | undefined {
  if (!node) return undefined
  if (isOp(node, 'Constant')) return constantOf(node)
  if (!isOp(node, node.opType) || !Object.hasOwn(rules, node.opType) || node.inputs.length === 0) return undefined
  const inputs = node.inputs.map(lookUp)
  return node.inputs.some((name, index) => name !== '' && !inputs[index])
    ? undefined
    : rules[node.opType]?.(node, inputs)
}
