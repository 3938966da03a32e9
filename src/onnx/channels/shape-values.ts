// What is known of small integer vectors that a graph computes from shapes: which entries count channels.
import { intAttribute } from '../attributes.ts'
import { isOp, type Node } from '../model.ts'
import { singleAxis } from './channel-map.ts'
import type { ChannelScope, ShapeEntry } from './scope.ts'

/** Operators that only move the entries of a vector, and the inputs that hold them. */
const MOVES = ['Gather', 'Slice', 'Concat', 'Squeeze', 'Unsqueeze', 'Identity', 'Cast']

/** The entries of a value that was computed from shapes, or of a constant vector. */
export function shapeEntries(scope: ChannelScope, value: string | undefined): readonly ShapeEntry[] | undefined {
  const known = scope.shapeValues.get(value ?? '')
  if (known) return known
  const tensor = scope.constants(value)
  return tensor && tensor.shape.length <= 1 && /int/.test(tensor.dtype)
    ? tensor.numbers().map((entry) => ({ value: entry }))
    : undefined
}

/**
 * Follows the sizes of channels through the arithmetic of shapes. Entries may be picked, joined and put into a Reshape;
 * whatever else is done with a number of channels closes them.
 */
export function passShapeValues(scope: ChannelScope, node: Node): void {
  if (isOp(node, 'Shape')) {
    const dims = scope.dims(node.inputs[0])
    const map = scope.map(node.inputs[0])
    if (!dims || !map) return
    const single = singleAxis(map)
    const entries = dims.map((_, axis): ShapeEntry => {
      if (!map.axes.includes(axis)) return {}
      return single ? { ids: single.ids } : { ids: map.ids }
    })
    const end = intAttribute(node, 'end', dims.length)
    keep(scope, node, entries.slice(intAttribute(node, 'start', 0), end))
    return
  }
  const inputs = node.inputs.map((name) => shapeEntries(scope, name))
  const counted = node.inputs.flatMap((name) => (scope.shapeValues.get(name) ?? []).flatMap(({ ids }) => ids ?? []))
  if (!node.inputs.some((name) => scope.shapeValues.has(name))) return
  const moved = isOp(node, ...MOVES) ? movedEntries(scope, node, inputs) : undefined
  if (moved) {
    keep(scope, node, moved)
    return
  }
  // The rule of Reshape looks at the shape it is given.
  if (isOp(node, 'Reshape') && scope.map(node.inputs[0])) return
  for (const ids of counted)
    scope.close(ids, `${node.opType} ${node.name || node.outputs[0]} computes with their number`)
}

function keep(scope: ChannelScope, node: Node, entries: readonly ShapeEntry[]): void {
  const output = node.outputs[0]
  if (output) scope.shapeValues.set(output, entries)
}

function movedEntries(
  scope: ChannelScope,
  node: Node,
  inputs: readonly (readonly ShapeEntry[] | undefined)[],
): readonly ShapeEntry[] | undefined {
  const [first = []] = inputs
  const numbers = (index: number) => scope.constants(node.inputs[index])?.numbers()
  const place = (index: number) => (index < 0 ? index + first.length : index)
  if (isOp(node, 'Concat'))
    return inputs.flatMap((entries, i) => {
      const size = scope.dims(node.inputs[i])?.[0] ?? scope.constants(node.inputs[i])?.size ?? 1
      return entries ?? Array.from({ length: size }, (): ShapeEntry => ({}))
    })
  if (isOp(node, 'Gather')) return numbers(1)?.map((index) => first[place(index)] ?? {})
  if (isOp(node, 'Slice')) {
    const [start, end] = [numbers(1)?.[0], numbers(2)?.[0]]
    if (start === undefined || end === undefined || (numbers(4)?.[0] ?? 1) !== 1) return undefined
    return first.slice(place(start), place(end))
  }
  return first
}
