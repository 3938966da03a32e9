// Topological order of nodes, stable: nodes that are in order already keep their order.
import { InputError } from '../base/index.ts'
import { type Node, readsOf } from './model.ts'

/** Does each node come after the producers of what it reads? */
export function isSorted(nodes: readonly Node[]): boolean {
  const later = new Set<string>()
  for (const node of nodes.toReversed()) {
    for (const output of node.outputs) if (output !== '') later.add(output)
    for (const value of readsOf(node)) if (later.has(value)) return false
  }
  return true
}

/**
 * Sorts nodes so that each comes after the producers of what it reads.
 * @throws InputError naming a node on a circle
 */
export function sortNodes(nodes: readonly Node[]): Node[] {
  const producers = new Map<string, Node>()
  for (const node of nodes) for (const output of node.outputs) if (output !== '') producers.set(output, node)
  const sorted: Node[] = []
  const state = new Map<Node, 'open' | 'done'>()
  for (const start of nodes) {
    if (state.has(start)) continue
    // An explicit stack: graphs of thousands of nodes in a row must not overflow the call stack.
    const stack: { node: Node; reads: string[]; next: number }[] = [
      { node: start, reads: [...readsOf(start)], next: 0 },
    ]
    state.set(start, 'open')
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!
      const value = top.reads[top.next++]
      if (value === undefined) {
        state.set(top.node, 'done')
        sorted.push(top.node)
        stack.pop()
        continue
      }
      const producer = producers.get(value)
      if (!producer || state.get(producer) === 'done') continue
      if (state.get(producer) === 'open')
        throw new InputError(`the graph has a circle through node "${producer.name}" (${producer.opType})`, {
          node: producer.name,
        })
      state.set(producer, 'open')
      stack.push({ node: producer, reads: [...readsOf(producer)], next: 0 })
    }
  }
  return sorted
}
