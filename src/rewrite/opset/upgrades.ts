// How single operators change from one opset to the next: one entry an operator, one function a version that matters.
import {
  type Attribute,
  floatAttribute,
  intAttr,
  intAttribute,
  intsAttribute,
  type Node,
  stringAttr,
  stringAttribute,
  Tensor,
} from '../../onnx/index.ts'
import { floatTensor } from '../float-tensor.ts'
import { resizeUpgrades } from './resize.ts'
import type { OpUpgrades, Upgrade } from './upgrade.ts'

const int64 = (values: readonly number[]) => Tensor.from('int64', [values.length], values)

/** Moves a list of integers from an attribute to an input; absent stays absent. */
const intsToInput =
  (attribute: string, index: number): Upgrade =>
  (node, scope) => {
    const values = intsAttribute(node, attribute)
    node.attributes.delete(attribute)
    if (values) scope.setInput(node, index, scope.addTensor(`${node.outputs[0]}_${attribute}`, int64(values)))
    return undefined
  }

const axesToInput: Upgrade = intsToInput('axes', 1)

/** opset 11: bounds became inputs, of the element type of the data. */
const clip: Upgrade = (node, scope) => {
  const dtype = scope.dtype(node.inputs[0]) ?? 'float32'
  for (const [index, name] of ['min', 'max'].entries()) {
    const bound = node.attributes.get(name)
    const value = floatAttribute(node, name, 0)
    node.attributes.delete(name)
    if (bound)
      scope.setInput(node, index + 1, scope.addTensor(`${node.outputs[0]}_${name}`, floatTensor(dtype, [], [value])))
  }
  return undefined
}

/** opset 11: pads and value became inputs. */
const pad: Upgrade = (node, scope) => {
  const pads = intsAttribute(node, 'pads')
  if (!pads) return 'it has no attribute "pads"'
  const value = floatAttribute(node, 'value', 0)
  const dtype = scope.dtype(node.inputs[0]) ?? 'float32'
  node.attributes.delete('pads')
  node.attributes.delete('value')
  scope.setInput(node, 1, scope.addTensor(`${node.outputs[0]}_pads`, int64(pads)))
  if (value !== 0) scope.setInput(node, 2, scope.addTensor(`${node.outputs[0]}_value`, floatTensor(dtype, [], [value])))
  return undefined
}

/** opset 10: starts, ends and axes became inputs. */
const slice: Upgrade = (node, scope) => {
  intsToInput('starts', 1)(node, scope)
  intsToInput('ends', 2)(node, scope)
  intsToInput('axes', 3)(node, scope)
  return node.inputs[1] && node.inputs[2] ? undefined : 'it has no starts or ends'
}

/** opset 10: k became an input. */
const topK: Upgrade = (node, scope) => {
  if (node.inputs[1]) return undefined
  const k = intAttribute(node, 'k', -1)
  node.attributes.delete('k')
  scope.setInput(node, 1, scope.addTensor(`${node.outputs[0]}_k`, int64([k])))
  return undefined
}

/**
 * opset 13: before, the input was seen as a matrix [product of the dims before axis, product of the rest]; since, only
 * the dimension at axis is normalised. 1. axis is the last: say so. 2. else Flatten, the same over the last axis, Reshape.
 */
const softmax: Upgrade = (node, scope) => {
  const input = node.inputs[0] ?? ''
  const output = node.outputs[0] ?? ''
  const axis = intAttribute(node, 'axis', 1)
  const rank = scope.rank(input) ?? scope.rank(output)
  if (axis === -1 || (rank !== undefined && (axis + rank) % rank === rank - 1)) {
    node.attributes.set('axis', intAttr(-1))
    return undefined
  }
  const shape = scope.freshName(`${output}_shape`)
  const flat = scope.freshName(`${output}_flat`)
  const result = scope.freshName(`${output}_rows`)
  scope.replace(node, [
    { opType: 'Shape', name: `${node.name}_shape`, inputs: [input], outputs: [shape] },
    {
      opType: 'Flatten',
      name: `${node.name}_flatten`,
      inputs: [input],
      outputs: [flat],
      attributes: { axis: intAttr(axis) },
    },
    { opType: node.opType, inputs: [flat], outputs: [result], attributes: { axis: intAttr(-1) } },
    { opType: 'Reshape', name: `${node.name}_reshape`, inputs: [result, shape], outputs: [output] },
  ])
  return undefined
}

/** opset 9: "spatial = 0" (statistics for each pixel) is gone. */
const batchNorm9: Upgrade = (node) => {
  if (intAttribute(node, 'spatial', 1) === 0) return 'spatial = 0 has no form after opset 8'
  node.attributes.delete('spatial')
  return undefined
}

/** opset 14: outputs beyond the first belong to training. */
const batchNorm14: Upgrade = (node, scope) =>
  node.outputs.slice(1).some((output) => scope.isUsed(output)) ? 'its statistics outputs are used' : dropOutputs(node)

function dropOutputs(node: Node): undefined {
  node.outputs.length = 1
  return undefined
}

/** opset 10: the mask became bool. */
const dropout10: Upgrade = (node, scope) =>
  scope.isUsed(node.outputs[1]) ? 'its mask output is used' : dropOutputs(node)

/** opset 12: ratio became an input; it says nothing in inference. */
const dropout12: Upgrade = (node) => {
  node.attributes.delete('ratio')
  return undefined
}

/** opset 18: the number of parts has to be said when their sizes are not. */
const split18: Upgrade = (node) => {
  if (!node.inputs[1]) node.attributes.set('num_outputs', intAttr(node.outputs.length))
  return undefined
}

const renamed =
  (attribute: string, words: Readonly<Record<string, string>>): Upgrade =>
  (node) => {
    const word = words[stringAttribute(node, attribute, Object.keys(words)[0] ?? '')]
    if (word !== undefined) node.attributes.set(attribute, stringAttr(word))
    return undefined
  }

/** opset 16: the default of an attribute changed; the old one is written down. */
const withDefault =
  (attribute: string, value: Attribute): Upgrade =>
  (node) => {
    if (!node.attributes.has(attribute)) node.attributes.set(attribute, value)
    return undefined
  }

/** opset 11: Scatter is ScatterElements. */
const scatter: Upgrade = (node, scope) => {
  const attributes = Object.fromEntries(node.attributes)
  scope.replace(node, [{ opType: 'ScatterElements', inputs: node.inputs, outputs: node.outputs, attributes }])
  return undefined
}

const refused =
  (why: string): Upgrade =>
  () =>
    why

export const upgrades: readonly OpUpgrades[] = [
  { op: 'BatchNormalization', at: { 9: batchNorm9, 14: batchNorm14 } },
  { op: 'Clip', at: { 11: clip } },
  { op: 'Dropout', at: { 10: dropout10, 12: dropout12 } },
  { op: 'GridSample', at: { 20: renamed('mode', { bilinear: 'linear', bicubic: 'cubic' }) } },
  { op: 'GroupNormalization', at: { 21: refused('its scale has another meaning since opset 21') } },
  { op: 'Hardmax', at: { 13: softmax } },
  { op: 'LogSoftmax', at: { 13: softmax } },
  { op: 'Pad', at: { 11: pad } },
  { op: 'ReduceSum', at: { 13: axesToInput } },
  ...[
    'ReduceL1',
    'ReduceL2',
    'ReduceLogSum',
    'ReduceLogSumExp',
    'ReduceMax',
    'ReduceMean',
    'ReduceMin',
    'ReduceProd',
    'ReduceSumSquare',
  ].map((op) => ({ op, at: { 18: axesToInput } })),
  { op: 'RoiAlign', at: { 16: withDefault('coordinate_transformation_mode', stringAttr('output_half_pixel')) } },
  { op: 'Scan', at: { 9: refused('Scan lost its batch axis at opset 9') } },
  { op: 'Scatter', at: { 11: scatter } },
  { op: 'Slice', at: { 10: slice } },
  { op: 'Softmax', at: { 13: softmax } },
  { op: 'Split', at: { 13: intsToInput('split', 1), 18: split18 } },
  { op: 'Squeeze', at: { 13: axesToInput } },
  { op: 'TopK', at: { 10: topK } },
  { op: 'Unsqueeze', at: { 13: axesToInput } },
  ...resizeUpgrades,
]
