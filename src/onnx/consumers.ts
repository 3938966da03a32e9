// Who reads a value.
import type { Node } from './model.ts'

/** Nodes that read each value, in graph order, each once; a value that only subgraphs or outputs read has none. */
export type Consumers = ReadonlyMap<string, readonly Node[]>

/** Finds the nodes that read each value, `nodes` in graph order. */
export function consumersOf(nodes: readonly Node[]): Consumers {
  const consumers = new Map<string, Node[]>()
  for (const node of nodes)
    for (const input of new Set(node.inputs)) {
      const own = consumers.get(input)
      if (own) own.push(node)
      else consumers.set(input, [node])
    }
  return consumers
}
