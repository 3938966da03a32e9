// Heads of attention: which Reshapes make them, and how taking one out goes through the products of queries, keys and values.
import { intAttribute } from '../attributes.ts'
import { isOp, type Model, type Node } from '../model.ts'
import type { Constants } from '../ops/index.ts'
import type { ChannelMap } from './channel-map.ts'
import type { Rule } from './operand-rules.ts'
import type { ChannelScope } from './scope.ts'

/** What may stand between the Reshape that makes heads and the product that they go into. */
const BETWEEN = ['Transpose', 'Identity', 'Mul', 'Div', 'Add', 'Sub', 'Cast', 'Unsqueeze', 'Squeeze']
const LONGEST_WAY = 8

/** Outputs of Reshapes whose value becomes an operand of a product of two values: their channels are heads. */
export function headedValues({ graph }: Model, constants: Constants): ReadonlySet<string> {
  const readers = new Map<string, Node[]>()
  for (const node of graph.nodes)
    for (const input of new Set(node.inputs)) readers.set(input, [...(readers.get(input) ?? []), node])
  const leads = (value: string, steps: number): boolean =>
    (readers.get(value) ?? []).some((node) => {
      if (isOp(node, 'MatMul')) return node.inputs.every((input) => !constants(input))
      return isOp(node, ...BETWEEN) && steps > 0 && node.outputs.some((output) => leads(output, steps - 1))
    })
  return new Set(
    graph.nodes
      .filter((node) => isOp(node, 'Reshape'))
      .flatMap(({ outputs: [output = ''] }) => (leads(output, LONGEST_WAY) ? [output] : [])),
  )
}

/** Ties the channels of each head: what stands at the same place of the first axis goes together. */
export function tieHeads(scope: ChannelScope, { sizes, ids }: ChannelMap): void {
  const each = ids.length / (sizes[0] ?? 1)
  for (const [index, id] of ids.entries()) scope.sets.join(ids[index - (index % each)] ?? 0, id)
}

/** The number of each head where a value has its heads, all of a head tied, along axis 1. */
function headsOf(scope: ChannelScope, map: ChannelMap | undefined): number[] | undefined {
  if (map?.axes[0] !== 1) return undefined
  const each = map.ids.length / (map.sizes[0] ?? 1)
  const heads = Array.from({ length: map.sizes[0] ?? 1 }, (_, head) => scope.sets.root(map.ids[head * each] ?? 0))
  return map.ids.every((id, i) => scope.sets.root(id) === heads[Math.floor(i / each)]) ? heads : undefined
}

/**
 * a·b where heads lie on axis 1 of both, [batch, heads, rows, columns]. They go together, and the product has them too: queries by
 * keys, whose channels are summed over head by head, and weights by values, whose channels it hands on.
 */
export const productOfHeads: Rule = (scope, node) => {
  const [a = '', b = ''] = node.inputs
  const [left, right] = [scope.map(a), scope.map(b)]
  const [mine, theirs] = [headsOf(scope, left), headsOf(scope, right)]
  const ranks = [a, b, node.outputs[0]].map((value) => scope.dims(value)?.length)
  if (!left || !right || !mine || !theirs || mine.length !== theirs.length || ranks.some((rank) => rank !== 4))
    return 'multiplies two values'
  const summed = { left: left.axes.includes(3), right: right.axes.includes(2) }
  if (left.axes.includes(2) || summed.left !== summed.right) return 'multiplies two values'
  for (const [head, id] of mine.entries()) scope.sets.join(id, theirs[head] ?? 0)
  const each = left.ids.length / mine.length
  const first = Int32Array.from({ length: mine.length }, (_, head) => left.ids[head * each] ?? 0)
  const handsOn = right.axes.includes(3)
  scope.set(node.outputs[0], handsOn ? right : { axes: [1], sizes: [mine.length], ids: first })
  return undefined
}

/** Over the last axis, where no channels lie. */
export const softmaxOfScores: Rule = (scope, node) => {
  const map = scope.map(node.inputs[0])
  const rank = scope.dims(node.inputs[0])?.length ?? 0
  const axis = intAttribute(node, 'axis', 0)
  if (!map || rank === 0 || (axis < 0 ? axis + rank : axis) !== rank - 1 || map.axes.includes(rank - 1))
    return `is ${node.opType}`
  scope.set(node.outputs[0], map)
  return undefined
}
