// Upsample and Resize through the opsets: Upsample 7 → 9 → Resize 10 → 11 → 13.
import { floatsAttribute, type Node, stringAttr, stringAttribute, Tensor } from '../../onnx/index.ts'
import type { Scope } from './scope.ts'
import type { OpUpgrades } from './upgrade.ts'

/** opset 9: scales became an input. */
function scalesToInput(node: Node, scope: Scope): string | undefined {
  const scales = floatsAttribute(node, 'scales')
  if (!scales) return node.inputs[1] ? undefined : 'it has no scales'
  node.attributes.delete('scales')
  scope.setInput(node, 1, scope.addTensor(`${node.outputs[0]}_scales`, Tensor.from('float32', [scales.length], scales)))
  return undefined
}

/** opset 10: Upsample is Resize. */
function toResize(node: Node, scope: Scope): string | undefined {
  const attributes = Object.fromEntries(node.attributes)
  scope.replace(node, [{ opType: 'Resize', inputs: node.inputs, outputs: node.outputs, attributes }])
  return undefined
}

/**
 * opset 11: scales moved to input 2, and how positions are mapped has to be said. Before, it was x / scale, and nearest
 * rounded down when enlarging and up when shrinking.
 */
function sayHow(node: Node, scope: Scope): string | undefined {
  const scales = node.inputs[1] ?? ''
  if (stringAttribute(node, 'mode', 'nearest') === 'nearest') {
    const values = scope.constant(scales)?.numbers()
    if (!values) return 'its scales are not constants, so how it rounds is not known'
    const shrinks = values.some((scale) => scale < 1)
    if (shrinks && values.some((scale) => scale > 1)) return 'it enlarges one axis and shrinks another'
    node.attributes.set('nearest_mode', stringAttr(shrinks ? 'ceil' : 'floor'))
  }
  node.attributes.set('coordinate_transformation_mode', stringAttr('asymmetric'))
  // An empty region of interest, of the type that opset 11 still asks for.
  scope.setInput(node, 1, scope.addTensor(`${node.outputs[0]}_roi`, Tensor.from('float32', [0], [])))
  scope.setInput(node, 2, scales)
  return undefined
}

/** opset 13: one way of mapping positions is gone. */
function knownMapping(node: Node): string | undefined {
  const mapping = stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel')
  return mapping === 'tf_half_pixel_for_nn' ? `${mapping} has no form after opset 12` : undefined
}

export const resizeUpgrades: readonly OpUpgrades[] = [
  { op: 'Upsample', at: { 9: scalesToInput, 10: toResize } },
  { op: 'Resize', at: { 11: sayHow, 13: knownMapping } },
]
