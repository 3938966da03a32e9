// Joins small values into one output, so that ONNX Runtime makes each of them soon after what it is made of.
import { type DType, type GraphEditor, intAttr, withoutShapes } from '../onnx/index.ts'

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
  // ONNX Runtime plans its buffers by declared shapes before it sees that one is wrong, which it only warns of otherwise.
  const { outputs } = editor.graph
  outputs.splice(0, outputs.length, ...withoutShapes(new Map(outputs.map((each) => [each.name, each]))).values())
  outputs.push({ name: output, dtype })
  return output
}
