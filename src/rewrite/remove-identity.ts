// Nodes that hand their input on unchanged disappear: Identity, Dropout in inference, Cast, Reshape and Transpose to the same.
import { dtypeOf, type GraphEditor, intAttribute, intsAttribute, isOp, type Node, type Shapes } from '../onnx/index.ts'
import { typesOf } from '../runtime/index.ts'
import { editModel } from './edit-pass.ts'
import { defineRewrite, type Rewrite } from './rewrite.ts'
import { hasStaticInputs } from './static-shapes.ts'

/**
 * Removes nodes that change nothing. Exact; names of graph outputs stay.
 * 1. Identity; 2. Dropout outside training whose mask is not used; 3. Cast to the type its input has;
 * 4. Transpose that keeps the order; 5. Flatten of rank 2 at axis 1; 6. Reshape to a constant shape that is the observed
 * one, where it stays so: every size is 0 (as before), −1, or fixed because the model's inputs are.
 */
export const removeIdentity: Rewrite = defineRewrite({
  name: 'remove-identity',
  kind: 'exact',
  summary: 'removes nodes that change nothing',
  apply: (model, context) =>
    editModel(model, context, (editor, log) => {
      const types = typesOf(model)
      const fixed = hasStaticInputs(model)
      for (const node of editor.nodes()) {
        const same =
          isOp(node, 'Identity') ||
          isInferenceDropout(editor, node) ||
          (isOp(node, 'Cast') && types.get(node.inputs[0] ?? '') === dtypeOf(intAttribute(node, 'to', 0))) ||
          keepsShape(editor, node, context.shapes, fixed)
        if (!same) continue
        if (editor.bypass(node)) log.changed(node, `${node.opType} changes nothing; removed`)
        else log.left(node, `${node.opType} changes nothing, but joins two names that the outside knows`)
      }
    }),
})

function isInferenceDropout(editor: GraphEditor, node: Node): boolean {
  if (!isOp(node, 'Dropout') || (node.outputs[1] && editor.uses(node.outputs[1]) > 0)) return false
  const training = node.inputs[2]
  return !training || editor.constant(training)?.numbers()[0] === 0
}

function keepsShape(editor: GraphEditor, node: Node, shapes: Shapes, fixed: boolean): boolean {
  const rank = shapes.get(node.inputs[0] ?? '')?.dims.length
  if (isOp(node, 'Transpose')) return intsAttribute(node, 'perm')?.every((axis, index) => axis === index) ?? false
  if (isOp(node, 'Flatten')) return rank === 2 && intAttribute(node, 'axis', 1) === 1
  if (!isOp(node, 'Reshape')) return false
  const before = shapes.get(node.inputs[0] ?? '')
  const after = shapes.get(node.outputs[0] ?? '')
  const target = editor.constant(node.inputs[1])?.numbers()
  if (!before || !after || !target || before.dims.join() !== after.dims.join()) return false
  const zeroCopies = intAttribute(node, 'allowzero', 0) === 0
  return target.every(
    (size, axis) => (size === 0 && zeroCopies) || size === -1 || (fixed && axis !== before.batchAxis && size > 0),
  )
}
