// The facts of all operators, by name. An operator that is not listed has none, and nothing is assumed of it.
import type { Node } from '../model.ts'
import { activationOps } from './activations.ts'
import type { OpFacts } from './facts.ts'
import { layerOps } from './layers.ts'
import { movementOps } from './movement.ts'
import { sequenceOps } from './sequences.ts'
import { typeOps } from './types.ts'

export { clipBounds } from './activations.ts'
export type { Bodies, Bounds, Constants, LayerFacts, OpFacts } from './facts.ts'
export { leastBytes } from './sizes.ts'

const table = new Map<string, OpFacts>()
for (const facts of [...layerOps, ...activationOps, ...movementOps, ...sequenceOps, ...typeOps]) {
  if (table.has(facts.op)) throw new Error(`operator ${facts.op} is listed twice`)
  table.set(facts.op, facts)
}

/** What is known of a node's operator; of operators outside ONNX's own domain nothing is. */
export function factsOf(node: Node): OpFacts {
  const known = node.domain === '' || node.domain === 'ai.onnx' ? table.get(node.opType) : undefined
  return known ?? { op: node.opType }
}

/** Is the node's operator one of the table's? */
export function isListed(node: Node): boolean {
  return (node.domain === '' || node.domain === 'ai.onnx') && table.has(node.opType)
}
