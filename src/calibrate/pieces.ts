// Pieces of what is watched: in the order of the graph, and in groups that are made in one step.
import type { GraphEditor } from '../onnx/index.ts'

/** Elements of large values whose pieces may wait for one Concat. */
const TOGETHER = 4e6

/** Groups of neighbours, each made of about so many elements that nothing is gained by making it in two steps. */
export function groupsOf<T extends { readonly elements: number }>(pieces: readonly T[]): T[][] {
  const groups: T[][] = []
  let sum = 0
  for (const piece of pieces) {
    const group = groups.at(-1)
    if (!group || sum + piece.elements > TOGETHER) {
      groups.push([piece])
      sum = piece.elements
    } else {
      group.push(piece)
      sum += piece.elements
    }
  }
  return groups
}

/** Values in the order in which the graph makes them; those that no node makes come first. */
export function inGraphOrder<T>(editor: GraphEditor, list: readonly T[], nameOf: (each: T) => string): T[] {
  const places = new Map<string, number>()
  for (const [place, node] of editor.nodes().entries()) for (const output of node.outputs) places.set(output, place)
  const placeOf = (each: T) => places.get(nameOf(each)) ?? -1
  return list.toSorted((a, b) => placeOf(a) - placeOf(b))
}
