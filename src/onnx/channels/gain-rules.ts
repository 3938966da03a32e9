// Classes of channels that begin at a gain: behind a norm a factor goes into gain and bias, whatever the norm reads.
import { isOp, type Node } from '../model.ts'
import { normOf } from '../ops/norms.ts'
import type { Tensor } from '../tensor.ts'
import { onAxis } from './channel-map.ts'
import type { ChannelScope } from './scope.ts'

/** Begins the class that a node writes with constants of its own; false when it writes none. */
export function beginAtGain(scope: ChannelScope, node: Node): boolean {
  return scope.purpose === 'scale' && (beginAtNorm(scope, node) || beginAtMul(scope, node))
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
 * A Mul by a vector is the gain of a norm that is written out, or as good as one: where its other operand must keep its scale, the
 * factor of the product can go into the vector.
 */
function beginAtMul(scope: ChannelScope, node: Node): boolean {
  const dims = scope.dims(node.outputs[0])
  if (!isOp(node, 'Mul') || !dims) return false
  const index = [0, 1].find((i) => scope.constants(node.inputs[i]))
  const tensor = index === undefined ? undefined : scope.constants(node.inputs[index])
  const other = node.inputs[index === 0 ? 1 : 0]
  if (index === undefined || !tensor || !isFloat(tensor) || scope.constants(other)) return false
  const place = tensor.shape.findIndex((size) => size > 1)
  const axis = place + dims.length - tensor.shape.length
  if (place < 0 || axis < 1 || tensor.shape[place] !== tensor.size || dims[axis] !== tensor.size) return false
  const map = scope.map(other)
  if (map && !scope.gains.has(node.outputs[0] ?? '') && !scope.isClosed(map.ids)) return false
  const ids = scope.sets.add(tensor.size)
  scope.carriers.push({ node, index, tensor, axis: place, ids, role: 'gain' })
  scope.set(node.outputs[0], onAxis(axis, ids))
  return true
}

const isFloat = ({ dtype }: Tensor) => /^b?float/.test(dtype)
