// Shapes that a graph computes around attention: the number of heads, and how many numbers they make together, become −1.
import {
  constantsOf,
  type GraphEditor,
  headedValues,
  isOp,
  type Node,
  rankOf,
  type Shapes,
  Tensor,
} from '../onnx/index.ts'
import { editModel } from './edit-pass.ts'
import { defineRewrite, type Rewrite } from './rewrite.ts'

/**
 * Leaves the number of heads open where a Reshape is given a shape that a Concat joins, so that heads can be taken out. Exact.
 * 1. [batch, length, heads, width] behind a layer: −1 for heads; 2. [batch, length, heads·width] behind attention: −1 at the end.
 */
export const openHeads: Rewrite = defineRewrite({
  name: 'open-heads',
  kind: 'exact',
  summary: 'lets computed shapes leave the number of heads open',
  apply: (model, context) =>
    editModel(model, context, (editor, log) => {
      const headed = headedValues(model, constantsOf(model.graph))
      for (const node of editor.nodes('Reshape')) {
        const [output = ''] = node.outputs
        const rank = rankOf(context.shapes, output)
        if (rank === undefined) continue
        const axis = headed.has(output) ? rank - 2 : isBehindProduct(editor, node) ? rank - 1 : undefined
        if (axis === undefined || axis < 1) continue
        if (openAt(editor, node, axis, context.shapes)) log.changed(node, `entry ${axis} of its shape is −1`)
      }
    }),
})

/** Does a Reshape read a product of two values, turned? */
function isBehindProduct(editor: GraphEditor, node: Node): boolean {
  const turned = editor.producer(node.inputs[0] ?? '')
  const product = turned && isOp(turned, 'Transpose') ? editor.producer(turned.inputs[0] ?? '') : undefined
  return product !== undefined && isOp(product, 'MatMul') && product.inputs.every((input) => !editor.constant(input))
}

/** Puts −1 in place of a constant entry of the shape, where no other is open yet. */
function openAt(editor: GraphEditor, node: Node, axis: number, shapes: Shapes): boolean {
  const concat = editor.producer(node.inputs[1] ?? '')
  if (!concat || !isOp(concat, 'Concat')) return false
  let at = 0
  let found: { readonly index: number; readonly place: number; readonly numbers: number[] } | undefined
  for (const [index, input] of concat.inputs.entries()) {
    const numbers = editor.constant(input)?.numbers()
    const size = numbers?.length ?? shapes.get(input)?.dims[0]
    if (size === undefined || numbers?.some((entry) => entry <= 0)) return false
    if (numbers && axis >= at && axis < at + size) found = { index, place: axis - at, numbers }
    at += size
  }
  if (!found) return false
  const open = found.numbers.with(found.place, -1)
  // A shape of its own: other Reshapes may be given the same one.
  const shape = editor.freshName(`${node.outputs[0]}/shape`)
  const entries = editor.addTensor(`${shape}/open`, Tensor.from('int64', [open.length], open))
  const inputs = concat.inputs.with(found.index, entries)
  editor.addNode({ opType: 'Concat', inputs, outputs: [shape], attributes: Object.fromEntries(concat.attributes) })
  editor.setInput(node, 1, shape)
  return true
}
