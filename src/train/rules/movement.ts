// Operators that move, copy, cut or join elements.
import { UnsupportedError } from '../../base/index.ts'
import {
  intAttr,
  intAttribute,
  intsAttribute,
  isFloat,
  type Node,
  nodeName,
  stringAttr,
  stringAttribute,
} from '../../onnx/index.ts'
import { type Emitter, FLOAT } from '../graph/emitter.ts'
import { defineGradient, defineUnary, type GradientRule, type Site } from '../graph/rule.ts'
import { alongAxis, spread } from './axis.ts'

const reshaped = (op: string) => defineUnary(op, (g, { x, dY }) => g.reshape(dY, g.dims(x)))

function cannot(node: Node, why: string): UnsupportedError {
  return new UnsupportedError(`cannot train through node "${nodeName(node)}" (${node.opType}): ${why}`, {
    node: nodeName(node),
    op: node.opType,
  })
}

/** Numbers of a constant input. */
function numbers(site: Site, index: number, what: string): number[] | undefined {
  if (!site.inputs[index]) return undefined
  const tensor = site.constant(index)
  if (!tensor) throw cannot(site.node, `its ${what} are not constants`)
  return tensor.numbers()
}

const positive = (axis: number, rank: number) => (axis < 0 ? axis + rank : axis)

const transpose = defineUnary('Transpose', (g, { node, x, dY }) => {
  const rank = g.dims(x).length
  const perm = intsAttribute(node, 'perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i)
  return g.transpose(
    dY,
    perm.map((_, axis) => perm.indexOf(axis)),
  )
})

const concat: GradientRule = defineGradient({
  op: 'Concat',
  build: (g, { node, inputs, y, dY }) => {
    const axis = positive(intAttribute(node, 'axis', 0), g.dims(y).length)
    let end = 0
    return inputs.map((input) => {
      const from = end
      end += g.dims(input)[axis] ?? 0
      const to = end
      return () => g.slice(dY, [axis], { starts: [from], ends: [to] })
    })
  },
})

const split = defineUnary('Split', (g, { node, x, outputs, gradients }) => {
  const axis = positive(intAttribute(node, 'axis', 0), g.dims(x).length)
  const parts = outputs.map((output, index) => gradients[index] ?? g.filled(g.dims(output), 0))
  return g.concat(parts, axis)
})

const slice = defineUnary('Slice', (g, site) => {
  const dims = g.dims(site.x)
  const starts = numbers(site, 1, 'starts') ?? []
  const axes = numbers(site, 3, 'axes') ?? starts.map((_, i) => i)
  const steps = numbers(site, 4, 'steps') ?? starts.map(() => 1)
  let gradient = site.dY
  for (const [i, given] of axes.entries()) {
    const axis = positive(given, dims.length)
    const size = dims[axis] ?? 0
    const step = steps[i] ?? 1
    const start = (starts[i] ?? 0) < 0 ? (starts[i] ?? 0) + size : (starts[i] ?? 0)
    const first = Math.max(0, Math.min(start, step < 0 ? size - 1 : size))
    const positions = Array.from({ length: g.dims(site.y)[axis] ?? 0 }, (_, j) => first + j * step)
    gradient = spread(g, gradient, { axis, size }, positions)
  }
  return gradient
})

/** Zero padding is cut off; a border that repeats elements is added back to where it came from. */
const pad = defineUnary('Pad', (g, site) => {
  const dims = g.dims(site.x)
  const rank = dims.length
  const given = numbers(site, 1, 'pads') ?? []
  const axes = numbers(site, 3, 'axes')?.map((axis) => positive(axis, rank)) ?? dims.map((_, axis) => axis)
  const mode = stringAttribute(site.node, 'mode', 'constant')
  let gradient = site.dY
  for (const [i, axis] of axes.entries()) {
    const [begin, end] = [given[i] ?? 0, given[i + axes.length] ?? 0]
    const size = dims[axis] ?? 1
    if (begin === 0 && end === 0) continue
    if (mode === 'constant' && begin >= 0 && end >= 0)
      gradient = g.slice(gradient, [axis], { starts: [begin], ends: [begin + size] })
    else gradient = alongAxis(g, gradient, { axis, size }, borderMatrix(mode, size, begin, end))
  }
  return gradient
})

function borderMatrix(mode: string, size: number, begin: number, end: number): Float32Array {
  const rows = begin + size + end
  const matrix = new Float32Array(rows * size)
  for (let row = 0; row < rows; row++) {
    let from = row - begin
    if (mode === 'edge') from = Math.min(Math.max(from, 0), size - 1)
    else if (mode === 'reflect') from = size - 1 - Math.abs(size - 1 - Math.abs(from))
    else if (mode === 'wrap') from = ((from % size) + size) % size
    if (from >= 0 && from < size) matrix[row * size + from] = 1
  }
  return matrix
}

/** Rows that were gathered several times add up. */
const gather = defineUnary('Gather', (g, { node, inputs, x, y, dY }) => {
  const dims = g.dims(x)
  const indices = inputs[1] ?? ''
  const axis = positive(intAttribute(node, 'axis', 0), dims.length)
  const picked = g.dims(indices).length
  const others = dims.flatMap((_, i) => (i === axis ? [] : [i]))
  const rank = g.dims(y).length
  // The axes of the indices first, as ScatterND wants its updates.
  const front = Array.from({ length: rank }, (_, i) => i).filter((i) => i >= axis && i < axis + picked)
  const rest = Array.from({ length: rank }, (_, i) => i).filter((i) => i < axis || i >= axis + picked)
  const table = [dims[axis] ?? 1, ...others.map((i) => dims[i] ?? 1)]
  const rows = g.reshape(indices, [...g.dims(indices), 1])
  const added = g.add('ScatterND', [g.filled(table, 0), rows, g.transpose(dY, [...front, ...rest])], table, {
    reduction: stringAttr('add'),
  })
  const order = [axis, ...others]
  return g.transpose(
    added,
    order.map((_, i) => order.indexOf(i)),
  )
})

/** Summed over the copies. */
const tile = defineUnary('Tile', (g, site) => {
  const dims = g.dims(site.x)
  const repeats = numbers(site, 1, 'repeats') ?? []
  const apart = g.reshape(
    site.dY,
    dims.flatMap((dim, axis) => [repeats[axis] ?? 1, dim]),
  )
  return g.sum(
    apart,
    dims.map((_, axis) => 2 * axis),
  )
})

const cast = defineUnary('Cast', (g, { node, x, y, dY }) => {
  if (g.known(x).dtype === g.known(y).dtype) return dY
  if (!isFloat(g.known(x).dtype) || g.known(x).dtype !== 'float32') throw cannot(node, 'it converts half precision')
  return g.add('Cast', [dY], g.dims(x), { to: intAttr(FLOAT) })
})

/** At rest it hands everything on; in training mode what it kept, scaled as it was. */
const dropout = defineUnary('Dropout', (g, { node, inputs, y, dY, constant }) => {
  if (!inputs[2] || constant(2)?.numbers()[0] === 0) return dY
  const ratio = inputs[1] ? constant(1)?.numbers()[0] : 0.5
  if (ratio === undefined) throw cannot(node, 'its ratio is not a constant')
  const kept = g.extraOutput(node, 1, g.dims(y), 'bool')
  const mask = g.add('Cast', [kept], g.dims(y), { to: intAttr(FLOAT) })
  return g.times(dY, g.scaled(mask, 1 / (1 - ratio)))
})

/** Where block and channel lie in the axes [N, …, H, …, W, …] of the unfolded tensor. */
function blocks(g: Emitter, node: Node, deep: string): { apart: number[]; order: number[] } {
  const [batch = 1, channels = 1, height = 1, width = 1] = g.dims(deep)
  const size = intAttribute(node, 'blocksize', 1)
  const columnFirst = node.opType === 'DepthToSpace' && stringAttribute(node, 'mode', 'DCR') === 'CRD'
  const outer = channels / size / size
  return columnFirst
    ? { apart: [batch, outer, size, size, height, width], order: [0, 1, 4, 2, 5, 3] }
    : { apart: [batch, size, size, outer, height, width], order: [0, 3, 4, 1, 5, 2] }
}

const depthToSpace = defineUnary('DepthToSpace', (g, { node, x, dY }) => {
  const { apart, order } = blocks(g, node, x)
  const shallow = g.reshape(
    dY,
    order.map((axis) => apart[axis] ?? 1),
  )
  const back = g.transpose(
    shallow,
    order.map((_, axis) => order.indexOf(axis)),
  )
  return g.reshape(back, g.dims(x))
})

const spaceToDepth = defineUnary('SpaceToDepth', (g, { node, x, y, dY }) => {
  const { apart, order } = blocks(g, node, y)
  return g.reshape(g.transpose(g.reshape(dY, apart), order), g.dims(x))
})

export const movementRules: readonly GradientRule[] = [
  defineUnary('Identity', (_g, { dY }) => dY),
  ...['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'].map(reshaped),
  transpose,
  concat,
  split,
  slice,
  pad,
  gather,
  defineUnary('Expand', (g, { x, dY }) => g.sumTo(dY, g.dims(x))),
  tile,
  cast,
  dropout,
  depthToSpace,
  spaceToDepth,
]
