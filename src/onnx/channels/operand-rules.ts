// Operators of several operands: a constant beside the channels, or values that are joined channel by channel.
import { isOp, type Node } from '../model.ts'
import { type ChannelMap, singleAxis } from './channel-map.ts'
import type { ChannelScope } from './scope.ts'

/** Hands the channels of a node's inputs on to its outputs, or says why it cannot. */
export type Rule = (scope: ChannelScope, node: Node) => string | undefined

/** The output has the channels of the first input. */
export const same: Rule = (scope, node) => {
  for (const output of node.outputs.slice(0, 1)) scope.set(output, scope.map(node.inputs[0]))
  return undefined
}

/**
 * A constant beside a value: one number a channel, one for all, or a map that is the same along the channels.
 * @param index the constant's place among the node's two inputs
 */
export function carried(scope: ChannelScope, node: Node, index: 0 | 1, role: 'add' | 'multiply'): string | undefined {
  const tensor = scope.constants(node.inputs[index])
  const value = node.inputs[1 - index]
  const map = scope.map(value)
  const dims = scope.dims(value)
  if (!tensor) return 'has an operand that is not followed'
  if (!map || !dims) return undefined
  if (tensor.shape.length > dims.length) return 'has a constant of higher rank'
  const single = singleAxis(map)
  if (!single) return tensor.size === 1 ? same(scope, node) : 'works on channels along several axes'
  const axis = single.axis - (dims.length - tensor.shape.length)
  const size = axis >= 0 ? (tensor.shape[axis] ?? 1) : 1
  const output = scope.dims(node.outputs[0])
  if (output && output.join() !== dims.join()) return 'broadcasts the value'
  scope.carriers.push({ node, index, tensor, ids: single.ids, role, ...(size > 1 ? { axis } : {}) })
  scope.set(node.outputs[0], map)
  return undefined
}

/** Add, Mul and their kind: two or more operands that may broadcast. */
export const joinOperands =
  (role: 'add' | 'multiply'): Rule =>
  (scope, node) => {
    const inputs = node.inputs.filter((name) => name !== '')
    const live = inputs.filter((name) => !scope.constants(name))
    const output = node.outputs[0]
    const dims = scope.dims(output)
    if (!dims) return 'has an output of unknown shape'
    if (live.length === 1 && inputs.length === 2) {
      const index = node.inputs.indexOf(live[0] ?? '') === 0 ? 1 : 0
      if (scope.purpose === 'scale' && isOp(node, 'Div', 'Pow') && index === 0) return 'divides by the value'
      return carried(scope, node, index, role)
    }
    if (live.length !== inputs.length) return 'mixes constants and several values'
    const aligned = live.map((name) => alignedMap(scope, name, dims.length))
    const whole = aligned.filter((map, i) => map && sameDims(scope.dims(live[i]), dims))
    let main = whole[0]
    if (role === 'multiply' && scope.purpose === 'scale') {
      // A product has the scale of one operand when the others keep theirs: the gate of squeeze-and-excitation.
      if (!isOp(node, 'Div')) main = whole.find((map) => map && !scope.isClosed(map.ids)) ?? main
      if (!main || (isOp(node, 'Div') && main !== aligned[0])) return 'divides by the value'
      for (const map of aligned)
        if (map !== main) scope.close(map?.ids, `${node.opType} ${node.name} multiplies with them`)
      scope.set(output, main)
      return undefined
    }
    if (!main) return 'joins values whose channels are not followed'
    for (const [i, map] of aligned.entries()) {
      // A map that is the same for all channels (spatial attention) does not care how many there are.
      if (scope.purpose === 'remove' && isOneForAll(scope, live[i], main, dims.length)) continue
      if (map?.axes.join() !== main.axes.join()) return 'joins values whose channels are not followed'
      if (map?.ids.length !== main.ids.length) return 'broadcasts along the channels'
      scope.join(main.ids, map.ids)
    }
    scope.set(output, main)
    return undefined
  }

function alignedMap(scope: ChannelScope, value: string, rank: number): ChannelMap | undefined {
  const map = scope.map(value)
  const dims = scope.dims(value)
  if (!map || !dims) return undefined
  return { ...map, axes: map.axes.map((axis) => axis + rank - dims.length) }
}

/** Has a value the size 1, or no axis at all, where the others have their channels? */
function isOneForAll(scope: ChannelScope, value: string | undefined, main: ChannelMap, rank: number): boolean {
  const dims = scope.dims(value)
  if (!dims || main.ids.length === 1) return false
  return main.axes.every((axis) => (dims[axis - rank + dims.length] ?? 1) === 1)
}

const sameDims = (a: readonly number[] | undefined, b: readonly number[]) => a?.join() === b.join()
