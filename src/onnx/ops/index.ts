// The facts of all operators, by name. An operator that is not listed has none, and nothing is assumed of it.
import type { DType } from '../dtype.ts'
import type { Node } from '../model.ts'
import { activationOps } from './activations.ts'
import type { OpFacts } from './facts.ts'
import { layerOps } from './layers.ts'
import { movementOps } from './movement.ts'
import { typeOps } from './types.ts'

export { clipBounds } from './activations.ts'
export type { Bounds, Constants, OpFacts } from './facts.ts'

const table = new Map<string, OpFacts>()
for (const facts of [...layerOps, ...activationOps, ...movementOps, ...typeOps]) {
  if (table.has(facts.op)) throw new Error(`operator ${facts.op} is listed twice`)
  table.set(facts.op, facts)
}

/** What is known of a node's operator; of operators outside ONNX's own domain nothing is. */
export function factsOf(node: Node): OpFacts {
  const known = node.domain === '' || node.domain === 'ai.onnx' ? table.get(node.opType) : undefined
  return known ?? { op: node.opType }
}

/** Element type of each value of a list of nodes in graph order, from the types of inputs and constants. */
export function inferTypes(nodes: readonly Node[], known: ReadonlyMap<string, DType>): Map<string, DType> {
  const types = new Map(known)
  for (const node of nodes) {
    const facts = factsOf(node)
    const inputs = (index: number) => types.get(node.inputs[index] ?? '')
    for (const [index, output] of node.outputs.entries()) {
      if (output === '' || types.has(output)) continue
      const dtype = facts.dtype ? facts.dtype(node, index, inputs) : inputs(0)
      if (dtype !== undefined) types.set(output, dtype)
    }
  }
  return types
}
