// Where taking channels out differs from scaling them: sizes change, so what states or computes them must be followed too.
import { intAttribute, stringAttribute } from '../attributes.ts'
import { isOp, type Node } from '../model.ts'
import { type ChannelMap, onAxis, singleAxis } from './channel-map.ts'
import { productOfHeads, softmaxOfScores, tieHeads } from './heads.ts'
import { channelPads, setPadded } from './pads.ts'
import type { ChannelScope } from './scope.ts'
import { shapeEntries } from './shape-values.ts'

type Rule = (scope: ChannelScope, node: Node) => string | undefined

/** Channels that a Pad adds are 0 and can go like any other; the node's pads say how many there are. */
const pad: Rule = (scope, node) => {
  const pads = channelPads(scope, node)
  if (typeof pads === 'string') return pads
  const { begin, end } = pads
  if (begin < 0 || end < 0) return 'cuts channels off'
  if ((begin > 0 || end > 0) && stringAttribute(node, 'mode', 'constant') !== 'constant') return 'repeats channels'
  setPadded(scope, node, pads)
  return undefined
}

/** [N, b²·C, H, W] → [N, C, b·H, b·W]: the b² channels that become one go together. */
const depthToSpace: Rule = (scope, node) => {
  const ids = scope.idsOn(node.inputs[0], 1)
  const square = intAttribute(node, 'blocksize', 1) ** 2
  if (!ids || ids.length % square !== 0) return 'moves channels that are not followed'
  const count = ids.length / square
  const depthFirst = stringAttribute(node, 'mode', 'DCR') === 'DCR'
  const output = ids.slice(0, count)
  for (let c = 0; c < count; c++) {
    output[c] = ids[depthFirst ? c : c * square] ?? 0
    for (let b = 0; b < square; b++)
      scope.sets.join(output[c] ?? 0, ids[depthFirst ? b * count + c : c * square + b] ?? 0)
  }
  scope.set(node.outputs[0], onAxis(1, output))
  return undefined
}

/** [N, C, b·H, b·W] → [N, b²·C, H, W]: a channel becomes b² that go together. */
const spaceToDepth: Rule = (scope, node) => {
  const ids = scope.idsOn(node.inputs[0], 1)
  if (!ids) return 'moves channels that are not followed'
  const square = intAttribute(node, 'blocksize', 1) ** 2
  scope.set(
    node.outputs[0],
    onAxis(
      1,
      Int32Array.from({ length: square * ids.length }, (_, i) => ids[i % ids.length] ?? 0),
    ),
  )
  return undefined
}

const instanceNorm: Rule = (scope, node) => {
  const ids = scope.idsOn(node.inputs[0], 1)
  if (!ids) return 'normalises a value whose channels are not followed'
  for (const index of [1, 2]) {
    const tensor = scope.constants(node.inputs[index])
    if (!tensor) return 'has parameters that are not constants'
    scope.carriers.push({ node, index, tensor, axis: 0, ids, role: 'norm' })
  }
  scope.set(node.outputs[0], onAxis(1, ids))
  return undefined
}

/** The operators for which taking out has a rule of its own; the others are followed as for a factor. */
export const removeRules: Readonly<Record<string, Rule>> = {
  Pad: pad,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  InstanceNormalization: instanceNorm,
  MatMul: productOfHeads,
  Softmax: softmaxOfScores,
  Shape: () => undefined,
}

/**
 * Is the shape that a Reshape is given right for any number of channels: −1 or 0, a number that can be rewritten, or the
 * size of just these channels? Returns what is wrong, or undefined.
 */
export function unfitShape(scope: ChannelScope, node: Node, map: ChannelMap): string | undefined {
  if (!isOp(node, 'Reshape') || scope.constants(node.inputs[1])) return undefined
  const entries = shapeEntries(scope, node.inputs[1])
  if (!entries) return 'takes its shape from elsewhere'
  // Heads go as a whole: of their axes the first alone is shortened.
  const shortened = scope.headed.has(node.outputs[0] ?? '') ? map.axes.slice(0, 1) : map.axes
  const fits = entries.every(({ value, ids }, axis) => {
    if (!shortened.includes(axis)) return ids === undefined || scope.isClosed(ids)
    return value === -1 || value === 0 || (singleAxis(map) && ids?.join() === map.ids.join())
  })
  return fits ? undefined : 'is given a shape that would not follow'
}

/**
 * Ties the channels of a value that lies along several axes (inside a channel shuffle) so that its longest axis can be
 * shortened: what stands at the same place of that axis goes together. Heads of attention go as a whole.
 */
export function tieAcrossAxes(scope: ChannelScope, map: ChannelMap, value = ''): void {
  const { axes, sizes, ids } = map
  if (axes.length < 2) return
  if (scope.headed.has(value)) {
    tieHeads(scope, map)
    return
  }
  let longest = 0
  for (const [i, size] of sizes.entries()) if (size >= (sizes[longest] ?? 0)) longest = i
  const inner = sizes.slice(longest + 1).reduce((product, size) => product * size, 1)
  const size = sizes[longest] ?? 1
  const first = new Map<number, number>()
  for (const [index, id] of ids.entries()) {
    const place = Math.floor(index / inner) % size
    const known = first.get(place)
    if (known === undefined) first.set(place, id)
    else scope.sets.join(known, id)
  }
}
