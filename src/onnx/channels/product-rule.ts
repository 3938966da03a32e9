// Products of two values: attention's weights times its values, and their kind.
import type { Rule } from './operand-rules.ts'

/** a·b: what b has along its columns, and along the axes that both have in front, the product has too. */
export const productOfValues: Rule = (scope, node) => {
  const [a = '', b = ''] = node.inputs
  if (scope.purpose !== 'scale') return 'multiplies two values'
  const [left, right, out] = [scope.dims(a), scope.dims(b), scope.dims(node.outputs[0])]
  const map = scope.map(b)
  const name = `${node.opType} ${node.name || node.outputs[0]}`
  if (scope.map(a)) scope.closeValue(a, `${name} sums over them`)
  if (!map) return undefined
  const rank = right?.length ?? 0
  if (!left || !out || rank < 2 || left.length !== rank || out.length !== rank) return 'broadcasts the value'
  if (map.axes.includes(rank - 2)) return 'sums over them'
  if (map.axes.some((axis) => axis < rank - 2 && out[axis] !== right?.[axis])) return 'broadcasts the value'
  scope.set(node.outputs[0], map)
  return undefined
}
