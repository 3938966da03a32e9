// Normalisations: over the batch, over the last axes, over each map.
import { sizeOf } from '../../base/index.ts'
import { floatAttribute, intAttribute } from '../../onnx/index.ts'
import type { Emitter } from '../graph/emitter.ts'
import { defineGradient, type GradientRule, type Site } from '../graph/rule.ts'
import { expandedGradient, isExpanded } from './batch-norm.ts'

/**
 * BatchNormalization.
 * 1. with given statistics: dx = dY·γ·inv, dγ = Σ dY·(x − μ)·inv, dβ = Σ dY, inv = 1/√(v + ε);
 * 2. in training mode: with the batch's mean and biased variance, m elements a channel and S = Σ dY·(x − mean):
 *    dβ = Σ dY, dγ = S·inv, dx = γ·inv·(dY − dβ/m − (x − mean)·S·inv²/m).
 */
const batchNorm: GradientRule = defineGradient({
  op: 'BatchNormalization',
  build: (g, site) => {
    if (isExpanded(g, site.node)) return expandedGradient(g, site)
    const { node, inputs, x, dY } = site
    const scale = inputs[1] ?? ''
    const dims = g.dims(x)
    const channelDims = dims.map((dim, axis) => (axis === 1 ? dim : 1))
    const axes = dims.flatMap((_, axis) => (axis === 1 ? [] : [axis]))
    const training = intAttribute(node, 'training_mode', 0) === 1
    const perChannel = (value: string) => g.reshape(value, channelDims)
    const once = memo()
    const statistics = () => once('statistics', () => (training ? batchStatistics(g, site, axes) : inputs.slice(3, 5)))
    const mean = () => perChannel(statistics()[0] ?? '')
    const inverse = () =>
      once('inverse', () => {
        const variance = g.plus(perChannel(statistics()[1] ?? ''), g.scalar(floatAttribute(node, 'epsilon', 1e-5)))
        return [g.unary('Reciprocal', g.unary('Sqrt', variance))]
      })[0] ?? ''
    const centred = () => once('centred', () => [g.minus(x, mean())])[0] ?? ''
    const total = () => once('total', () => [g.sum(dY, axes, true)])[0] ?? ''
    const product = () => once('product', () => [g.sum(g.times(dY, centred()), axes, true)])[0] ?? ''
    const inputGradient = (): string => {
      const slope = g.times(perChannel(scale), inverse())
      if (!training) return g.times(dY, slope)
      const count = sizeOf(dims) / (dims[1] ?? 1)
      const along = g.scaled(g.times(g.times(slope, product()), g.times(inverse(), inverse())), 1 / count)
      const constant = g.scaled(g.times(slope, total()), 1 / count)
      return g.minus(g.times(dY, slope), g.plus(g.times(centred(), along), constant))
    }
    const flat = (value: string) => g.reshape(value, [dims[1] ?? 1])
    return [inputGradient, () => flat(g.times(product(), inverse())), () => flat(total())]
  },
})

/** Mean and variance of the batch: the node's own outputs when its momentum is 0, else computed again. */
function batchStatistics(g: Emitter, { node, x, outputs }: Site, axes: readonly number[]): string[] {
  if (floatAttribute(node, 'momentum', 0.9) === 0 && outputs[1] && outputs[2]) return [outputs[1], outputs[2]]
  const mean = g.mean(x, axes, true)
  const centred = g.minus(x, mean)
  return [mean, g.mean(g.times(centred, centred), axes, true)]
}

/** Values that several thunks share, made when the first asks. */
function memo(): (key: string, make: () => readonly string[]) => readonly string[] {
  const made = new Map<string, readonly string[]>()
  return (key, make) => {
    const present = made.get(key) ?? make()
    made.set(key, present)
    return present
  }
}

/** x̂ and 1 ÷ deviation over some axes. */
interface Normalized {
  readonly hat: string
  readonly inverse: string
  readonly axes: readonly number[]
}

/** With x̂ = (x − mean)·inv over the axes and h = dY·γ: dx = inv·(h − mean(h) − x̂·mean(h·x̂)). */
function normalizedGradient(g: Emitter, h: string, { hat, inverse, axes }: Normalized): string {
  const slope = g.mean(g.times(h, hat), axes, true)
  return g.times(inverse, g.minus(g.minus(h, g.mean(h, axes, true)), g.times(hat, slope)))
}

const layerNorm: GradientRule = defineGradient({
  op: 'LayerNormalization',
  build: (g, { node, inputs, x, dY }) => {
    const [, scale = '', bias = ''] = inputs
    const dims = g.dims(x)
    const axis = intAttribute(node, 'axis', -1)
    const first = axis < 0 ? axis + dims.length : axis
    const axes = dims.flatMap((_, i) => (i >= first ? [i] : []))
    const kept = dims.map((dim, i) => (i >= first ? 1 : dim))
    const mean = g.extraOutput(node, 1, kept, 'float32')
    const inverse = g.extraOutput(node, 2, kept, 'float32')
    const hat = g.times(g.minus(x, mean), inverse)
    return [
      () => normalizedGradient(g, g.times(dY, scale), { hat, inverse, axes }),
      () => g.sumTo(g.times(dY, hat), g.dims(scale)),
      () => g.sumTo(dY, g.dims(bias)),
    ]
  },
})

/** Each map of each sample by its own mean and variance. */
const instanceNorm: GradientRule = defineGradient({
  op: 'InstanceNormalization',
  build: (g, { node, inputs, x, dY }) => {
    const scale = inputs[1] ?? ''
    const dims = g.dims(x)
    const axes = dims.flatMap((_, axis) => (axis > 1 ? [axis] : []))
    const centred = g.minus(x, g.mean(x, axes, true))
    const variance = g.mean(g.times(centred, centred), axes, true)
    const epsilon = g.scalar(floatAttribute(node, 'epsilon', 1e-5))
    const inverse = g.unary('Reciprocal', g.unary('Sqrt', g.plus(variance, epsilon)))
    const hat = g.times(centred, inverse)
    const others = dims.flatMap((_, axis) => (axis === 1 ? [] : [axis]))
    const perChannel = g.reshape(
      scale,
      dims.map((dim, axis) => (axis === 1 ? dim : 1)),
    )
    return [
      () => normalizedGradient(g, g.times(dY, perChannel), { hat, inverse, axes }),
      () => g.sum(g.times(dY, hat), others),
      () => g.sum(dY, others),
    ]
  },
})

export const normRules: readonly GradientRule[] = [batchNorm, layerNorm, instanceNorm]
