// Reductions: the gradient is repeated over what was reduced.
import { sizeOf, UnsupportedError } from '../../base/index.ts'
import { intAttribute, intsAttribute, nodeName } from '../../onnx/index.ts'
import type { Emitter } from '../graph/emitter.ts'
import { defineUnary, type GradientRule, type Site } from '../graph/rule.ts'

/** The reduced axes, from the attribute (before opset 18) or the second input. */
function axesOf(g: Emitter, { node, x, constant, inputs }: Site): number[] {
  const rank = g.dims(x).length
  const given = intsAttribute(node, 'axes') ?? constant(1)?.numbers()
  if (!given && inputs[1])
    throw new UnsupportedError(`cannot train through node "${nodeName(node)}": its axes are not constants`, {
      node: nodeName(node),
      op: node.opType,
    })
  if (!given || given.length === 0)
    return intAttribute(node, 'noop_with_empty_axes', 0) === 1 ? [] : Array.from({ length: rank }, (_, axis) => axis)
  return given.map((axis) => (axis < 0 ? axis + rank : axis))
}

interface Reduced {
  /** A value of the output's shape with the reduced axes kept as 1. */
  readonly kept: (value: string) => string
  readonly axes: readonly number[]
  readonly count: number
}

function reduction(op: string, gradient: (g: Emitter, site: Site, reduced: Reduced) => string): GradientRule {
  return defineUnary(op, (g, site) => {
    const dims = g.dims(site.x)
    const axes = axesOf(g, site)
    const keptDims = dims.map((dim, axis) => (axes.includes(axis) ? 1 : dim))
    const count = sizeOf(axes.map((axis) => dims[axis] ?? 1))
    return gradient(g, site, { kept: (value) => g.reshape(value, keptDims), axes, count })
  })
}

/** dY shared among all elements equal to the chosen one. */
const extreme = (op: string) =>
  reduction(op, (g, { x, y, dY }, { kept, axes }) => {
    const mask = g.mask('Equal', x, kept(y))
    return g.times(mask, g.over(kept(dY), g.sum(mask, axes, true)))
  })

export const reduceRules: readonly GradientRule[] = [
  reduction('ReduceSum', (g, { x, dY }, { kept }) => g.expand(kept(dY), g.dims(x))),
  reduction('ReduceMean', (g, { x, dY }, { kept, count }) => g.expand(g.scaled(kept(dY), 1 / count), g.dims(x))),
  reduction('ReduceSumSquare', (g, { x, dY }, { kept }) => g.times(g.scaled(x, 2), kept(dY))),
  reduction('ReduceL2', (g, { x, y, dY }, { kept }) => g.times(x, g.over(kept(dY), kept(y)))),
  reduction('ReduceL1', (g, { x, dY }, { kept }) => g.times(g.unary('Sign', x), kept(dY))),
  reduction('ReduceLogSumExp', (g, { x, y, dY }, { kept }) => g.times(g.unary('Exp', g.minus(x, kept(y))), kept(dY))),
  extreme('ReduceMax'),
  extreme('ReduceMin'),
]
