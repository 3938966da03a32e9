// The grids of quantisation-aware training: the plan of `quantize`, for widths that it does not offer, and back again.
import { rangeSettingOf, type TensorStatistics } from '../../calibrate/index.ts'
import { asymmetricGrid, codeRange, nextDown, type QuantParams } from '../../math/index.ts'
import { type Layer, type Model, type Node, nodeName, Tensor } from '../../onnx/index.ts'
import type { ActivationGrid, Plan } from '../../quantize/index.ts'
import type { Arrays } from '../loop/state.ts'
import { withValues } from '../values.ts'

export type ActivationBits = 4 | 8 | 16

/** Codes of a grid relative to its zero point. */
export interface CodeSpan {
  readonly low: number
  readonly high: number
}

/** Lowest and highest code of an activation minus its zero point; 4-bit codes are stored as 0 to 15 of uint8. */
export function spanOf({ params }: ActivationGrid, bits: ActivationBits): CodeSpan {
  const { low, high } = codeRange(bits === 4 ? 'uint4' : params.dtype)
  const zero = params.zeroPoint[0] ?? 0
  return { low: low - zero, high: high - zero }
}

/** The plan with 4-bit activations: 16 codes of uint8, over the range with the smallest mean square error. */
export function withFourBits(plan: Plan, statistics: ReadonlyMap<string, TensorStatistics>): Plan {
  const activations = new Map<string, ActivationGrid>()
  for (const [value, grid] of plan.activations) {
    const gridOf = plan.placement.tensors.get(value)?.gridOf ?? value
    const seen = statistics.get(gridOf)
    const { low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY } =
      plan.placement.tensors.get(gridOf)?.bounds ?? {}
    const range = seen?.histogram
      ? rangeSettingOf('mse').range(seen, { dtype: 'uint4', lowBound: low, highBound: high })
      : grid
    const finite = { ...(Number.isFinite(low) ? { low } : {}), ...(Number.isFinite(high) ? { high } : {}) }
    const { scale, zeroPoint } = asymmetricGrid(range.low, range.high, 'uint4', finite)
    activations.set(value, {
      ...grid,
      params: { dtype: 'uint8', scale: Float32Array.of(scale), zeroPoint: Int32Array.of(zeroPoint) },
      low: Math.fround(-zeroPoint * scale),
      high: Math.fround((15 - zeroPoint) * scale),
      method: 'mse, 4 bits',
    })
  }
  return { ...plan, activations }
}

/** The largest scale for which no code leaves the producer's bounds; beyond it ONNX Runtime does not fuse the layer. */
export function largestScale(plan: Plan, value: string, span: CodeSpan): number {
  const bounds = plan.placement.tensors.get(value)?.bounds
  if (!bounds) return Number.POSITIVE_INFINITY
  const above = span.high > 0 && Number.isFinite(bounds.high)
  const below = span.low < 0 && bounds.low < 0 && Number.isFinite(bounds.low)
  if (!above && !below) return Number.POSITIVE_INFINITY
  const exact = Math.min(
    above ? bounds.high / span.high : Number.POSITIVE_INFINITY,
    below ? bounds.low / span.low : Number.POSITIVE_INFINITY,
  )
  let scale = Math.fround(exact)
  const leaves = () =>
    (above && Math.fround(scale * span.high) > bounds.high) || (below && Math.fround(scale * span.low) < bounds.low)
  while (scale > 0 && leaves()) scale = nextDown(scale)
  return scale
}

/** Names of the trained scales. */
export const scaleNames = {
  activation: (value: string): string => `train/scale/${value}`,
  weight: (node: Node): string => `train/weight_scale/${nodeName(node)}`,
} as const

/** The shape with which a weight's scales broadcast to it. */
export function scaleDims(layer: Layer, params: QuantParams): number[] {
  return params.axis === undefined ? [] : layer.weight.shape.map((dim, axis) => (axis === params.axis ? dim : 1))
}

/** Codes from −top to top of a layer's weight. */
export function topCode(plan: Plan, node: Node): number {
  return 2 ** ((plan.weightBits.get(node) ?? 8) - 1) - 1
}

/**
 * The plan and the model with trained values: insertQdq of the two is the file with exactly the trained grids. Weights are
 * cut to the codes of their width first, because the container may be wider.
 */
export function trainedPlan(model: Model, plan: Plan, values: Arrays): { model: Model; plan: Plan } {
  const trained = withValues(model, values)
  const { initializers } = trained.graph
  const activations = new Map<string, ActivationGrid>()
  for (const [value, grid] of plan.activations) {
    const gridOf = plan.placement.tensors.get(value)?.gridOf ?? value
    const scale = values.get(scaleNames.activation(gridOf))
    activations.set(value, scale ? { ...grid, params: { ...grid.params, scale: scale.slice() } } : grid)
  }
  const weights = new Map<Node, QuantParams>()
  const layers = new Map<Node, Layer>()
  for (const [node, layer] of plan.placement.layers) {
    const params = plan.weights.get(node)
    if (!params) continue
    const scale = values.get(scaleNames.weight(node))?.slice() ?? params.scale
    const weight = initializers.get(node.inputs[layer.weightIndex] ?? '') ?? layer.weight
    const bias = layer.bias && (initializers.get(node.inputs[2] ?? '') ?? layer.bias)
    weights.set(node, { ...params, scale })
    const inside = cut(weight, scale, params.axis, topCode(plan, node))
    layers.set(node, { ...layer, weight: inside, ...(bias ? { bias } : {}) })
  }
  return {
    model: trained,
    plan: { ...plan, activations, weights, placement: { ...plan.placement, layers } },
  }
}

/** Weights inside ±top codes. */
function cut(weight: Tensor, scale: Float32Array, axis: number | undefined, top: number): Tensor {
  const values = weight.floats().slice()
  const run = axis === undefined ? values.length : weight.shape.slice(axis + 1).reduce((a, b) => a * b, 1)
  for (let i = 0; i < values.length; i++) {
    const own = Math.floor(i / run) % scale.length
    const limit = Math.fround((scale[own] ?? 1) * top)
    values[i] = Math.min(Math.max(values[i] ?? 0, -limit), limit)
  }
  return Tensor.from('float32', weight.shape, values)
}
