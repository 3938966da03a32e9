// Classes of channels that begin at a gain: behind a norm a factor goes into gain and bias, whatever the norm reads.
import { isOp, type Node } from '../model.ts'
import { normOf } from '../ops/norms.ts'
import type { Tensor } from '../tensor.ts'
import { onAxis, singleAxis } from './channel-map.ts'
import type { ChannelScope } from './scope.ts'

/** Begins the class that a node writes with constants of its own; false when it writes none. */
export function beginAtGain(scope: ChannelScope, node: Node): boolean {
  if (isOp(node, 'Erf', 'Tanh') || (isOp(node, 'Add', 'Mul') && node.inputs.some((name) => scope.insideGelu.has(name))))
    for (const output of node.outputs) scope.insideGelu.add(output)
  return scope.purpose === 'scale' && (beginAtNorm(scope, node) || beginAtConstant(scope, node))
}

/** A norm writes its channels with its gain; what it reads must stay as it is. */
function beginAtNorm(scope: ChannelScope, node: Node): boolean {
  const norm = normOf(node)
  const dims = scope.dims(node.outputs[0])
  if (!norm || !dims) return false
  const axis = norm.axis === 'last' ? dims.length - 1 : norm.axis
  const count = dims[axis] ?? 0
  const along = (index: number): Tensor | undefined => {
    const tensor = scope.constants(node.inputs[index])
    return tensor?.shape.at(-1) === count && isFloat(tensor) ? tensor : undefined
  }
  const hasBias = norm.bias !== undefined && (node.inputs[norm.bias] ?? '') !== ''
  const gain = along(norm.gain)
  const bias = hasBias ? along(norm.bias) : undefined
  if (axis < 1 || !gain || (hasBias && !bias)) return false
  for (const name of node.inputs)
    scope.closeValue(name, `${node.opType} ${node.name || node.outputs[0]} normalises them`)
  const ids = scope.sets.add(count)
  scope.carriers.push({ node, index: norm.gain, tensor: gain, axis: gain.shape.length - 1, ids, role: 'gain' })
  if (bias && norm.bias !== undefined)
    scope.carriers.push({ node, index: norm.bias, tensor: bias, axis: bias.shape.length - 1, ids, role: 'add' })
  scope.set(node.outputs[0], onAxis(axis, ids))
  return true
}

/**
 * A Mul or Div by a constant behind what must keep its scale is the gain of a norm that is written out, or as good as one: the
 * factor of the product can go into the constant. One number for all channels becomes one for each where their factors differ.
 */
function beginAtConstant(scope: ChannelScope, node: Node): boolean {
  const dims = scope.dims(node.outputs[0])
  if (!isOp(node, 'Mul', 'Div') || !dims) return false
  const index = (isOp(node, 'Div') ? [1] : [0, 1]).find((i) => scope.constants(node.inputs[i]))
  const tensor = index === undefined ? undefined : scope.constants(node.inputs[index])
  const other = node.inputs[index === 0 ? 1 : 0]
  if (index === undefined || !tensor || !isFloat(tensor) || scope.constants(other)) return false
  const map = scope.map(other)
  if (map && !scope.gains.has(node.outputs[0] ?? '') && !scope.isClosed(map.ids)) return false
  const place = tensor.size > 1 ? alongOneAxis(tensor, dims) : undefined
  const axis = tensor.size > 1 ? place?.axis : singleAxis(map)?.axis
  const count = dims[axis ?? 0] ?? 0
  if (axis === undefined || axis < 1 || count < 2) return false
  if (tensor.size === 1 && (scope.dims(other)?.join() !== dims.join() || scope.insideGelu.has(other ?? '')))
    return false
  const ids = scope.sets.add(count)
  const role = isOp(node, 'Div') ? 'divisor' : 'gain'
  scope.carriers.push({ node, index, tensor, ids, role, ...(place ? { axis: place.own } : {}) })
  scope.set(node.outputs[0], onAxis(axis, ids))
  return true
}

/** The axis of a value that a constant has entries for, and its axis in the constant; undefined where it is none or several. */
function alongOneAxis(
  tensor: Tensor,
  dims: readonly number[],
): { readonly axis: number; readonly own: number } | undefined {
  const own = tensor.shape.findIndex((size) => size > 1)
  const axis = own + dims.length - tensor.shape.length
  return tensor.shape[own] === tensor.size && dims[axis] === tensor.size ? { axis, own } : undefined
}

const isFloat = ({ dtype }: Tensor) => /^b?float/.test(dtype)
