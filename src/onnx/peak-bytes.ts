// Memory of the values between the nodes: what is alive at the worst moment when nodes run in their order.
import { type Graph, readsOf } from './model.ts'

/**
 * Bytes of the values alive at the worst moment: each from where it is made to where it is last read, by a node or by a graph
 * inside one, inputs all along. What nobody reads lives while its node runs.
 */
export function peakBytes({ nodes, outputs, inputs }: Graph, bytesOf: (value: string) => number): number {
  const last = new Map<string, number>()
  for (const [index, node] of nodes.entries()) {
    for (const output of node.outputs) last.set(output, index)
    for (const value of readsOf(node)) last.set(value, index)
  }
  for (const { name } of outputs) last.set(name, nodes.length)
  let live = inputs.reduce((sum, { name }) => sum + bytesOf(name), 0)
  let peak = live
  const ending = new Map<number, string[]>()
  for (const [value, index] of last) ending.set(index, [...(ending.get(index) ?? []), value])
  const made = new Set<string>()
  for (const [index, node] of nodes.entries()) {
    for (const output of node.outputs) {
      if (output === '') continue
      live += bytesOf(output)
      made.add(output)
    }
    peak = Math.max(peak, live)
    for (const value of ending.get(index) ?? []) if (made.has(value)) live -= bytesOf(value)
  }
  return peak
}
