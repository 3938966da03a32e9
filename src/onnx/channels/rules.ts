// How each operator hands channels on. One table for every algorithm that follows channels; what is not in it closes them.
import { intAttribute, intsAttribute, stringAttribute } from '../attributes.ts'
import { isOp, type Node } from '../model.ts'
import { clipBounds, factsOf } from '../ops/index.ts'
import { onAxis, reshapeMap, singleAxis, transposeMap } from './channel-map.ts'
import { beginAtGain } from './gain-rules.ts'
import { carried, joinOperands, type Rule, same } from './operand-rules.ts'
import { channelPads, setPadded } from './pads.ts'
import { productOfValues } from './product-rule.ts'
import { removeRules, tieAcrossAxes, unfitShape } from './remove-rules.ts'
import type { ChannelScope } from './scope.ts'
import { passShapeValues } from './shape-values.ts'

/** Pools and resizing work on spatial axes only. */
const spatial: Rule = (scope, node) => {
  const single = singleAxis(scope.map(node.inputs[0]))
  if (single && single.axis !== 1) return 'pools along the channels'
  if (scope.purpose === 'remove' && isOp(node, 'MaxPool') && node.outputs[1])
    return 'hands out places among all channels'
  return same(scope, node)
}

const clip: Rule = (scope, node) => {
  const bounds = clipBounds(node, scope.constants)
  const map = scope.map(node.inputs[0])
  if (!bounds) return 'has bounds that are not constants'
  if (map) scope.clips.push({ node, ...bounds, ids: map.ids })
  return same(scope, node)
}

const prelu: Rule = (scope, node) => carried(scope, node, 1, 'multiply')

const batchNorm: Rule = (scope, node) => {
  const ids = scope.idsOn(node.inputs[0], 1)
  if (scope.purpose === 'scale') return 'is a BatchNormalization that was not folded'
  for (const index of [1, 2, 3, 4]) {
    const tensor = scope.constants(node.inputs[index])
    if (!tensor) return 'has parameters that are not constants'
    if (ids) scope.carriers.push({ node, index, tensor, axis: 0, ids, role: 'norm' })
  }
  return same(scope, node)
}

const concat: Rule = (scope, node) => {
  const maps = node.inputs.map((name) => singleAxis(scope.map(name)))
  const rank = scope.dims(node.outputs[0])?.length ?? 0
  const axis = positive(intAttribute(node, 'axis', 1), rank)
  const first = maps[0]
  if (!first || maps.some((map) => map?.axis !== first.axis)) return 'joins values whose channels are not followed'
  if (axis === first.axis) {
    const ids = new Int32Array(maps.reduce((sum, map) => sum + (map?.ids.length ?? 0), 0))
    let at = 0
    for (const map of maps) {
      ids.set(map?.ids ?? [], at)
      at += map?.ids.length ?? 0
    }
    scope.set(node.outputs[0], onAxis(axis, ids))
    return undefined
  }
  for (const map of maps) if (map) scope.join(first.ids, map.ids)
  return same(scope, node)
}

const split: Rule = (scope, node) => {
  const single = singleAxis(scope.map(node.inputs[0]))
  const axis = positive(intAttribute(node, 'axis', 0), scope.dims(node.inputs[0])?.length ?? 0)
  if (!single) return 'splits a value whose channels lie on several axes'
  let at = 0
  for (const output of node.outputs) {
    const size = scope.dims(output)?.[axis]
    if (size === undefined) return 'has an output of unknown shape'
    const ids = axis === single.axis ? single.ids.subarray(at, at + size) : single.ids
    scope.set(output, onAxis(single.axis, ids))
    at += size
  }
  return undefined
}

const slice: Rule = (scope, node) => {
  const single = singleAxis(scope.map(node.inputs[0]))
  const dims = scope.dims(node.inputs[0])
  const [starts, ends] = [1, 2].map((index) => scope.constants(node.inputs[index])?.numbers())
  const given = [3, 4].map((index) => scope.constants(node.inputs[index])?.numbers())
  if (!single || !dims) return 'slices a value whose channels are not followed'
  if (!starts || !ends) return 'slices at places that are not constants'
  const axes = (given[0] ?? starts.map((_, i) => i)).map((axis) => positive(axis, dims.length))
  const at = axes.indexOf(single.axis)
  if (at === -1) return same(scope, node)
  const step = given[1]?.[at] ?? 1
  if (step !== 1) return 'takes every other channel'
  const size = single.ids.length
  const place = (x: number) => Math.min(Math.max(x < 0 ? x + size : x, 0), size)
  scope.set(node.outputs[0], onAxis(single.axis, single.ids.slice(place(starts[at] ?? 0), place(ends[at] ?? size))))
  return undefined
}

const gather: Rule = (scope, node) => {
  const single = singleAxis(scope.map(node.inputs[0]))
  const dims = scope.dims(node.inputs[0])
  const indices = scope.constants(node.inputs[1])
  if (!single || !dims) return 'picks from a value whose channels are not followed'
  const axis = positive(intAttribute(node, 'axis', 0), dims.length)
  if (axis !== single.axis) {
    const rank = indices?.shape.length ?? scope.dims(node.inputs[1])?.length
    if (rank === undefined) return 'picks with indices of unknown rank'
    const shift = axis < single.axis ? rank - 1 : 0
    scope.set(node.outputs[0], onAxis(single.axis + shift, single.ids))
    return undefined
  }
  const size = single.ids.length
  if (indices?.shape.length === 0 && scope.purpose === 'remove') {
    // One channel, which loses its axis; the others are free.
    const [index = 0] = indices.numbers()
    scope.close(single.ids.slice(index, index === -1 ? undefined : index + 1), `Gather ${node.name} picks them`)
    return undefined
  }
  if (indices?.shape.length !== 1) return 'picks single channels'
  scope.set(
    node.outputs[0],
    onAxis(
      axis,
      Int32Array.from(indices.numbers(), (index) => single.ids[index < 0 ? index + size : index] ?? 0),
    ),
  )
  return undefined
}

const transpose: Rule = (scope, node) => {
  const map = scope.map(node.inputs[0])
  const rank = scope.dims(node.inputs[0])?.length ?? 0
  const order = intsAttribute(node, 'perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i)
  if (!map) return undefined
  const moved = transposeMap(map, order)
  scope.set(node.outputs[0], moved)
  return moved ? undefined : 'moves the batch'
}

const reshape: Rule = (scope, node) => {
  const map = scope.map(node.inputs[0])
  const [before, after] = [scope.dims(node.inputs[0]), scope.dims(node.outputs[0])]
  if (!map) return undefined
  if (!before || !after) return 'has a shape that was never observed'
  const moved = reshapeMap(map, before, after)
  if (!moved) return 'mixes samples'
  if (scope.purpose === 'remove') {
    const unfit = unfitShape(scope, node, moved)
    if (unfit) return unfit
    tieAcrossAxes(scope, moved, node.outputs[0])
  }
  scope.set(node.outputs[0], moved)
  return undefined
}

const reduce: Rule = (scope, node) => {
  const single = singleAxis(scope.map(node.inputs[0]))
  const dims = scope.dims(node.inputs[0])
  if (!single || !dims) return 'reduces a value whose channels are not followed'
  const given = intsAttribute(node, 'axes') ?? scope.constants(node.inputs[1])?.numbers()
  if (!given) return 'reduces along the channels'
  const axes = given.map((axis) => positive(axis, dims.length))
  if (axes.includes(single.axis)) return 'reduces along the channels'
  const gone = intAttribute(node, 'keepdims', 1) === 1 ? 0 : axes.filter((axis) => axis < single.axis).length
  if (single.axis - gone < 1) return 'reduces the batch'
  scope.set(node.outputs[0], onAxis(single.axis - gone, single.ids))
  return undefined
}

const pad: Rule = (scope, node) => {
  const pads = channelPads(scope, node)
  if (typeof pads === 'string') return pads
  const mode = stringAttribute(node, 'mode', 'constant')
  const fill = node.inputs[2] ? (scope.constants(node.inputs[2])?.floats()[0] ?? Number.NaN) : 0
  if (mode === 'constant' && fill !== 0) return 'pads with a number that is not 0'
  const { begin, end } = pads
  if (begin === 0 && end === 0) return same(scope, node)
  if (mode !== 'constant' || begin < 0 || end < 0) return 'pads the channels'
  // Padded channels are 0 whatever their scale.
  setPadded(scope, node, pads)
  return undefined
}

/** Only the shape is read: fine for a factor. */
const shapeOnly: Rule = () => undefined

const cast: Rule = (scope, node) => {
  const types = scope.shapes.get(node.outputs[0] ?? '')?.dtype
  return types && /^b?float/.test(types) ? same(scope, node) : 'leaves floating point'
}

const table: Readonly<Record<string, Rule>> = {
  Clip: clip,
  PRelu: prelu,
  BatchNormalization: batchNorm,
  MaxPool: spatial,
  AveragePool: spatial,
  LpPool: spatial,
  GlobalAveragePool: spatial,
  GlobalMaxPool: spatial,
  Resize: spatial,
  Upsample: spatial,
  Identity: same,
  Dropout: same,
  Add: joinOperands('add'),
  Sub: joinOperands('add'),
  Sum: joinOperands('add'),
  Max: joinOperands('add'),
  Min: joinOperands('add'),
  Mean: joinOperands('add'),
  Mul: joinOperands('multiply'),
  Div: joinOperands('multiply'),
  Concat: concat,
  Split: split,
  Slice: slice,
  Gather: gather,
  Transpose: transpose,
  Reshape: reshape,
  Flatten: reshape,
  Squeeze: reshape,
  Unsqueeze: reshape,
  ReduceMean: reduce,
  ReduceSum: reduce,
  ReduceMax: reduce,
  ReduceMin: reduce,
  Pad: pad,
  MatMul: productOfValues,
  Shape: shapeOnly,
  Size: shapeOnly,
  Cast: cast,
}

const removalTable: typeof table = { ...table, ...removeRules }

/** Passes the channels of a node that is not a layer on; what cannot be followed is closed, with the reason. */
export function passNode(scope: ChannelScope, node: Node): void {
  if (scope.purpose === 'remove') passShapeValues(scope, node)
  if (beginAtGain(scope, node)) return
  const live = node.inputs.filter((name) => scope.map(name))
  if (live.length === 0) return
  const facts = factsOf(node)
  const rules = scope.purpose === 'remove' ? removalTable : table
  const known = node.domain === '' || node.domain === 'ai.onnx' ? rules[node.opType] : undefined
  // f(s·x) = s·f(x) lets a factor through; any function of single elements lets a channel go.
  const passes =
    known ??
    (facts.elementwise && node.inputs.length === 1 && (facts.homogeneous || scope.purpose === 'remove')
      ? same
      : undefined)
  const why = passes ? passes(scope, node) : `is ${node.opType}`
  if (why === undefined) return
  const reason = `${node.opType} ${node.name || node.outputs[0]} ${why}`
  for (const name of live) scope.closeValue(name, reason)
  for (const output of node.outputs) scope.maps.delete(output)
}

function positive(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis
}
