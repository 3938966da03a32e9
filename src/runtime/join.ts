// Joins small values into one output, so that ONNX Runtime makes each of them soon after what it is made of.
import { type DType, type GraphEditor, intAttr } from '../onnx/index.ts'

/**
 * Concatenates values along an axis into a new output. ONNX Runtime finds its order from the outputs backwards, the node that
 * was added last first: what a single Concat reads may all be made at the end of a run, when every map is still in memory. Here
 * each Concat reads the one before and a group more, and was added after them, so that the first groups come first.
 * @param groups in the order of the graph; none of them empty
 * @returns the name of the output
 */
export function joinValues(
  editor: GraphEditor,
  groups: readonly (readonly string[])[],
  { name, dtype, axis }: { readonly name: string; readonly dtype: DType; readonly axis: number },
): string {
  const output = editor.freshName(name)
  let before: string | undefined
  for (const [index, group] of groups.entries()) {
    const joined = index === groups.length - 1 ? output : editor.freshName(`${output}/part`)
    const inputs = [...(before === undefined ? [] : [before]), ...group]
    editor.addNode({ opType: 'Concat', inputs, outputs: [joined], attributes: { axis: intAttr(axis) } })
    before = joined
  }
  editor.graph.outputs.push({ name: output, dtype })
  return output
}

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
