// Mean and deviation of every channel of every value, without data: from what BatchNormalization knew (arXiv 1906.04721, 4.2).
import { clippedGaussian, gaussianMoments } from '../../math/index.ts'
import {
  type ChannelFacts,
  constantsOf,
  type FlowRules,
  floatAttribute,
  flowChannels,
  hasOpenBias,
  intAttribute,
  isOp,
  layerOf,
  type Model,
  type Node,
  type Shapes,
  type Statistics,
  stringAttribute,
  type ViewedLayer,
} from '../../onnx/index.ts'
import { functionOf } from './functions.ts'
import { insideShare, tapShares } from './inside.ts'

/** What is known of a channel. NaN: not known. */
export interface Moments {
  readonly mean: number
  readonly variance: number
  /** It is clip(X, low, high) of a Gaussian X. Absent: only its mean and variance are known. */
  readonly normal?: Clipped
  /** The variance was found as if inputs were independent. */
  readonly approximate: boolean
}

interface Clipped {
  readonly mean: number
  readonly deviation: number
  readonly low: number
  readonly high: number
}

const inf = Number.POSITIVE_INFINITY
const unknown: Moments = { mean: Number.NaN, variance: Number.NaN, approximate: false }

/** Moments of a clipped Gaussian. */
function clipped(normal: Clipped, approximate: boolean): Moments {
  const { mean, secondMoment } = clippedGaussian(normal.mean, normal.deviation, normal.low, normal.high)
  return { mean, variance: Math.max(0, secondMoment - mean * mean), normal, approximate }
}

const gaussian = (mean: number, deviation: number, approximate: boolean): Moments => ({
  mean,
  variance: deviation * deviation,
  normal: { mean, deviation, low: -inf, high: inf },
  approximate,
})

/**
 * Moments of each channel of each value, in one walk. Statistics are those of this very model: of pre-activations from
 * folded BatchNormalizations, of graph inputs where the preprocessing tells them.
 * 1. a layer with statistics makes Gaussians; one without them Σ w·E[x] + b, borders counted, the variance as if its
 *    inputs were independent ("approximate");
 * 2. Relu, Clip, Max and Min with constants: closed form; other functions of elements by quadrature, of Gaussians only;
 * 3. averages, Concat, Add and movements carry the mean; MaxPool and products of values are not known.
 */
export function channelMoments(model: Model, shapes: Shapes, statistics: Statistics): ChannelFacts<Moments> {
  const constants = constantsOf(model.graph)
  const layers = new Set(
    model.graph.nodes.filter((node) => layerOf(node, constants)).map((node) => node.outputs[0] ?? ''),
  )
  const rules: FlowRules<Moments> = {
    unknown,
    constant: ofConstant,
    layer: (layer, inputs) => throughLayer(layer, inputs, shapes),
    elementwise: throughFunction,
    combine: combined,
    spatial: (node, x) => overSpace(node, x, shapes),
    refine: (value, facts) => {
      const known = statistics.get(value)
      if (known?.mean.length !== facts.length) return facts
      const isNormal = layers.has(value)
      return facts.map((fact, c) => {
        const [mean, deviation] = [known.mean[c] ?? 0, Math.abs(known.deviation[c] ?? 0)]
        if (isNormal) return gaussian(mean, deviation, false)
        return { ...fact, mean, variance: deviation * deviation, approximate: false }
      })
    },
  }
  const inputs = model.graph.inputs.map((input) => input.name)
  return flowChannels({ nodes: model.graph.nodes, inputs, constants, shapes }, rules)
}

function ofConstant(entries: readonly number[]): Moments {
  const mean = entries.reduce((sum, x) => sum + x, 0) / Math.max(1, entries.length)
  const variance = entries.reduce((sum, x) => sum + (x - mean) * (x - mean), 0) / Math.max(1, entries.length)
  return variance === 0 ? gaussian(entries[0] ?? 0, 0, false) : { mean, variance, approximate: false }
}

function throughLayer(layer: ViewedLayer, inputs: readonly Moments[], shapes: Shapes): Moments[] {
  const { view, weight, bias, alpha, beta } = layer
  const values = weight.floats()
  const shifts = bias?.floats()
  const share = tapShares(layer, shapes)
  if (hasOpenBias(layer)) return Array<Moments>(view.outputs).fill(unknown)
  return Array.from({ length: view.outputs }, (_, o) => {
    const first = Math.floor((o * view.groups) / view.outputs) * view.inputsPerGroup
    let mean = beta * (shifts?.[shifts.length === 1 ? 0 : o] ?? 0)
    let variance = 0
    for (let i = 0; i < view.inputsPerGroup; i++) {
      const x = inputs[first + i] ?? unknown
      for (let u = 0; u < view.positions; u++) {
        const w = alpha * (values[view.offset(o) + i * view.inputStride + u * view.positionStride] ?? 0)
        if (w === 0) continue
        mean += w * (share[u] ?? 1) * x.mean
        variance += w * w * x.variance
      }
    }
    return gaussian(mean, Math.sqrt(variance), variance > 0)
  })
}

/** clip(x, low, high). */
function clip(x: Moments, low: number, high: number): Moments {
  const { normal } = x
  const clamp = (value: number) => Math.min(Math.max(value, low), high)
  if (normal) return clipped({ ...normal, low: clamp(normal.low), high: clamp(normal.high) }, x.approximate)
  return x.variance === 0 ? gaussian(clamp(x.mean), 0, x.approximate) : unknown
}

function throughFunction(node: Node, x: Moments, constant: (index: number) => number | undefined): Moments {
  const end = (index: number, name: string, none: number) =>
    node.inputs[index] ? (constant(index) ?? Number.NaN) : floatAttribute(node, name, none)
  switch (node.opType) {
    case 'Relu':
      return clip(x, 0, inf)
    case 'Clip':
      return clip(x, end(1, 'min', -inf), end(2, 'max', inf))
    case 'LeakyRelu':
      return sloped(x, floatAttribute(node, 'alpha', 0.01))
    case 'PRelu':
      return sloped(x, constant(1) ?? Number.NaN)
    case 'Neg':
      return times(x, -1)
    default: {
      const f = functionOf(node)
      const { normal } = x
      if (!f) return unknown
      if (!normal) return x.variance === 0 ? gaussian(f(x.mean), 0, x.approximate) : unknown
      const { low, high } = normal
      const through = gaussianMoments(normal.mean, normal.deviation, (z) => f(Math.min(Math.max(z, low), high)))
      return { ...through, variance: through.secondMoment - through.mean * through.mean, approximate: x.approximate }
    }
  }
}

/** E = R(m, d) − α·R(−m, d), R the mean of a Relu. */
function sloped(x: Moments, slope: number): Moments {
  const { normal } = x
  if (!normal) return x.variance === 0 ? gaussian(x.mean < 0 ? slope * x.mean : x.mean, 0, x.approximate) : unknown
  const above = clip(x, 0, inf)
  const below = clip(times(x, -1), 0, inf)
  const mean = above.mean - slope * below.mean
  const second = above.variance + above.mean * above.mean + slope * slope * (below.variance + below.mean * below.mean)
  return { mean, variance: Math.max(0, second - mean * mean), approximate: x.approximate }
}

function times(x: Moments, factor: number): Moments {
  if (factor === 0) return gaussian(0, 0, false)
  const { normal } = x
  const ends = normal && [normal.low * factor, normal.high * factor]
  return {
    mean: x.mean * factor,
    variance: x.variance * factor * factor,
    approximate: x.approximate,
    ...(normal && ends
      ? {
          normal: {
            mean: normal.mean * factor,
            deviation: normal.deviation * Math.abs(factor),
            low: Math.min(...ends),
            high: Math.max(...ends),
          },
        }
      : {}),
  }
}

const isConstant = (x: Moments) => x.variance === 0

function combined(node: Node, operands: readonly Moments[]): Moments {
  const [first = unknown, second = unknown] = operands
  switch (node.opType) {
    case 'Add':
    case 'Sum':
      return operands.reduce(sum)
    case 'Sub':
      return sum(first, times(second, -1))
    case 'Mean':
      return times(operands.reduce(sum), 1 / operands.length)
    case 'Mul':
      return isConstant(second) ? times(first, second.mean) : isConstant(first) ? times(second, first.mean) : unknown
    case 'Div':
      return isConstant(second) ? times(first, 1 / second.mean) : unknown
    case 'Max':
    case 'Min': {
      const [value, bound] = isConstant(first) ? [second, first.mean] : [first, second.mean]
      if (operands.length !== 2 || !operands.some(isConstant)) return unknown
      return node.opType === 'Max' ? clip(value, bound, inf) : clip(value, -inf, bound)
    }
    default:
      return unknown
  }
}

/** Means add. A sum with a constant keeps its form; other sums are taken for Gaussian, their parts for independent. */
function sum(a: Moments, b: Moments): Moments {
  const [x, y] = isConstant(a) ? [b, a] : [a, b]
  const mean = x.mean + y.mean
  if (isConstant(y) && x.normal) {
    const { normal } = x
    const moved = { mean: normal.mean + y.mean, low: normal.low + y.mean, high: normal.high + y.mean }
    return { ...x, mean, normal: { ...normal, ...moved } }
  }
  if (isConstant(y)) return { ...x, mean }
  return gaussian(mean, Math.sqrt(x.variance + y.variance), true)
}

/** Averages keep the mean; the variance of an average depends on how its parts hang together, and is not known. */
function overSpace(node: Node, x: Moments, shapes: Shapes): Moments {
  const averaged = (mean: number): Moments =>
    isConstant(x) && mean === x.mean ? x : { mean, variance: Number.NaN, approximate: x.approximate }
  switch (node.opType) {
    case 'GlobalAveragePool':
    case 'ReduceMean':
      return averaged(x.mean)
    case 'AveragePool':
      return averaged(intAttribute(node, 'count_include_pad', 0) === 1 ? x.mean * insideShare(node, shapes) : x.mean)
    case 'Pad':
      return stringAttribute(node, 'mode', 'constant') === 'constant'
        ? averaged(x.mean * padShare(node, shapes))
        : averaged(x.mean)
    case 'Resize':
    case 'Upsample':
      return stringAttribute(node, 'mode', 'nearest') === 'nearest' ? x : averaged(x.mean)
    default:
      return isConstant(x) && isOp(node, 'MaxPool', 'GlobalMaxPool', 'ReduceMax', 'ReduceMin') ? x : unknown
  }
}

/** How much of a padded value is the value. */
function padShare(node: Node, shapes: Shapes): number {
  const [before, after] = [node.inputs[0], node.outputs[0]].map((value) => shapes.get(value ?? '')?.dims)
  if (!before || !after) return 1
  return before.reduce((share, dim, axis) => (axis < 2 ? share : share * (dim / (after[axis] ?? dim))), 1)
}
