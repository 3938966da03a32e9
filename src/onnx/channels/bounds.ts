// Bounds of every channel of every value, by interval arithmetic: proved ones, or narrowed by what statistics suggest.
import { portable } from '../../base/index.ts'
import { floatAttribute, intAttribute, intsAttribute, stringAttribute } from '../attributes.ts'
import { hasOpenBias, type Layer, type ViewedLayer } from '../layers.ts'
import type { Node } from '../model.ts'
import { type Bounds, factsOf } from '../ops/index.ts'
import type { FlowRules } from './flow.ts'

const inf = Number.POSITIVE_INFINITY

/** Nothing is known of a channel. */
export const anyBounds: Bounds = { low: -inf, high: inf }

/** Bounds inside both; `a` where they contradict each other. */
export function bothBounds(a: Bounds, b: Bounds): Bounds {
  const [low, high] = [Math.max(a.low, b.low), Math.min(a.high, b.high)]
  return low <= high ? { low, high } : a
}

/** Does a layer see zeros beyond the border, or fewer taps near it? */
export function seesBorder({ node, facts }: Layer): boolean {
  if (facts.window !== 'gathers') return facts.window === 'spreads'
  const auto = stringAttribute(node, 'auto_pad', 'NOTSET')
  return auto === 'NOTSET' ? (intsAttribute(node, 'pads') ?? []).some((pad) => pad !== 0) : auto !== 'VALID'
}

const withZero = ({ low, high }: Bounds): Bounds => ({ low: Math.min(low, 0), high: Math.max(high, 0) })

/** b[o] + Σ w·[low, high]; a weight of 0 reads nothing, whatever it would read. */
export function layerBounds(layer: ViewedLayer, inputs: readonly Bounds[]): Bounds[] {
  const { view, weight, bias, alpha, beta } = layer
  if (hasOpenBias(layer)) return Array<Bounds>(view.outputs).fill(anyBounds)
  const weights = weight.floats()
  const shifts = bias?.floats()
  const seen = seesBorder(layer) ? inputs.map(withZero) : inputs
  return Array.from({ length: view.outputs }, (_, o) => {
    const base = view.offset(o)
    const first = Math.floor((o * view.groups) / view.outputs) * view.inputsPerGroup
    let low = beta * (shifts?.[shifts.length === 1 ? 0 : o] ?? 0)
    let high = low
    for (let i = 0; i < view.inputsPerGroup; i++) {
      const x = seen[first + i] ?? anyBounds
      for (let u = 0; u < view.positions; u++) {
        const w = alpha * (weights[base + i * view.inputStride + u * view.positionStride] ?? 0)
        if (w === 0) continue
        low += w * (w > 0 ? x.low : x.high)
        high += w * (w > 0 ? x.high : x.low)
      }
    }
    return { low, high }
  })
}

const sigmoid = (x: number) => 1 / (1 + portable.exp(-x))

/** Functions that never fall, so that bounds go through them. */
const rising: Readonly<Record<string, (x: number, node: Node) => number>> = {
  Sigmoid: sigmoid,
  Tanh: portable.tanh,
  Exp: portable.exp,
  Softplus: (x) => Math.max(x, 0) + portable.log1p(portable.exp(-Math.abs(x))),
  Elu: (x, node) => (x > 0 ? x : floatAttribute(node, 'alpha', 1) * portable.expm1(x)),
  HardSigmoid: (x, node) =>
    Math.min(1, Math.max(0, floatAttribute(node, 'alpha', 0.2) * x + floatAttribute(node, 'beta', 0.5))),
}

function throughFunction(node: Node, x: Bounds, constant: (index: number) => number | undefined): Bounds {
  const clamp = (low: number, high: number) => ({
    low: Math.min(Math.max(x.low, low), high),
    high: Math.min(Math.max(x.high, low), high),
  })
  const sloped = (slope: number | undefined) => {
    if (slope === undefined) return anyBounds
    const [a, b] = [x.low, x.high].map((end) => (end >= 0 || end === 0 ? end : slope === 0 ? 0 : end * slope))
    const ends = [a ?? 0, b ?? 0, ...(x.low < 0 && x.high > 0 ? [0] : [])]
    return { low: Math.min(...ends), high: Math.max(...ends) }
  }
  const bounds = factsOf(node).bounds?.(node, () => undefined) ?? anyBounds
  switch (node.opType) {
    case 'Relu':
      return clamp(0, inf)
    case 'Clip':
      return clipOf(node, clamp, constant)
    case 'LeakyRelu':
      return sloped(floatAttribute(node, 'alpha', 0.01))
    case 'PRelu':
      return sloped(constant(1))
    case 'Abs':
      return {
        low: x.low <= 0 && x.high >= 0 ? 0 : Math.min(Math.abs(x.low), Math.abs(x.high)),
        high: Math.max(Math.abs(x.low), Math.abs(x.high)),
      }
    case 'HardSwish':
    case 'Gelu':
      return { low: bounds.low, high: Math.max(0, x.high) }
    default: {
      const f = rising[node.opType]
      return f ? { low: f(x.low, node), high: f(x.high, node) } : bounds
    }
  }
}

function clipOf(
  node: Node,
  clamp: (low: number, high: number) => Bounds,
  constant: (index: number) => number | undefined,
): Bounds {
  const end = (index: number, name: string, none: number) =>
    node.inputs[index] ? (constant(index) ?? none) : floatAttribute(node, name, none)
  return clamp(end(1, 'min', -inf), end(2, 'max', inf))
}

function combined(node: Node, operands: readonly Bounds[]): Bounds {
  const [first = anyBounds, ...others] = operands
  const sum = () => others.reduce((total, each) => ({ low: total.low + each.low, high: total.high + each.high }), first)
  switch (node.opType) {
    case 'Add':
    case 'Sum':
      return sum()
    case 'Mean':
      return { low: sum().low / operands.length, high: sum().high / operands.length }
    case 'Sub':
      return { low: first.low - (others[0]?.high ?? inf), high: first.high - (others[0]?.low ?? -inf) }
    case 'Max':
      return others.reduce((a, b) => ({ low: Math.max(a.low, b.low), high: Math.max(a.high, b.high) }), first)
    case 'Min':
      return others.reduce((a, b) => ({ low: Math.min(a.low, b.low), high: Math.min(a.high, b.high) }), first)
    case 'Mul':
      return product(first, others[0] ?? anyBounds)
    default: {
      const by = others[0] ?? anyBounds
      if (by.low <= 0 && by.high >= 0) return anyBounds
      return product(first, { low: 1 / by.high, high: 1 / by.low })
    }
  }
}

function product(a: Bounds, b: Bounds): Bounds {
  const times = (x: number, y: number) => (x === 0 || y === 0 ? 0 : x * y)
  const ends = [times(a.low, b.low), times(a.low, b.high), times(a.high, b.low), times(a.high, b.high)]
  return { low: Math.min(...ends), high: Math.max(...ends) }
}

function overSpace(node: Node, x: Bounds): Bounds {
  switch (node.opType) {
    case 'AveragePool':
      return intAttribute(node, 'count_include_pad', 0) === 1 ? withZero(x) : x
    case 'Pad':
      return withZero(x)
    case 'Resize':
      return stringAttribute(node, 'mode', 'nearest') === 'cubic' ||
        stringAttribute(node, 'coordinate_transformation_mode', '') === 'tf_crop_and_resize'
        ? anyBounds
        : x
    case 'ReduceSum':
      return { low: x.low >= 0 ? 0 : -inf, high: x.high <= 0 ? 0 : inf }
    default:
      return x
  }
}

/** Rules for `flowChannels`: what holds whatever the input is. */
export const boundsRules: FlowRules<Bounds> = {
  unknown: anyBounds,
  constant: (entries) =>
    entries.reduce((all, x) => ({ low: Math.min(all.low, x), high: Math.max(all.high, x) }), { low: inf, high: -inf }),
  layer: layerBounds,
  elementwise: throughFunction,
  combine: combined,
  spatial: overSpace,
}
