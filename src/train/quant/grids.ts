// The grids of quantisation-aware training: the plan of `quantize`, for widths that it does not offer, and back again.
import { rangeSettingOf, type TensorStatistics } from '../../calibrate/index.ts'
import { asymmetricGrid, codeRange, nextDown, type QuantParams } from '../../math/index.ts'
import { GraphEditor, type Layer, type Model, nodeName, Tensor } from '../../onnx/index.ts'
import { type ActivationGrid, layersIn, type Plan } from '../../quantize/index.ts'
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
  weight: (layer: string): string => `train/weight_scale/${layer}`,
} as const

/** The shape with which a weight's scales broadcast to it. */
export function scaleDims(layer: Layer, params: QuantParams): number[] {
  return params.axis === undefined ? [] : layer.weight.shape.map((dim, axis) => (axis === params.axis ? dim : 1))
}

/** Codes from −top to top of a layer's weight. */
export function topCode(plan: Plan, layer: string): number {
  return 2 ** ((plan.weightBits.get(layer) ?? 8) - 1) - 1
}

/**
 * The plan and the model with trained values: insertQdq of the two is the file with exactly the trained grids. Weights are
 * cut to the codes of their width first, because the container may be wider.
 */
export function trainedPlan(model: Model, plan: Plan, values: Arrays): { model: Model; plan: Plan } {
  const trained = withValues(model, values)
  const activations = new Map<string, ActivationGrid>()
  for (const [value, grid] of plan.activations) {
    const gridOf = plan.placement.tensors.get(value)?.gridOf ?? value
    const scale = values.get(scaleNames.activation(gridOf))
    activations.set(value, scale ? { ...grid, params: { ...grid.params, scale: scale.slice() } } : grid)
  }
  const editor = new GraphEditor(trained)
  const nodes = new Map(editor.nodes().map((node) => [nodeName(node), node]))
  const weights = new Map<string, QuantParams>()
  for (const { name, weight, weightIndex } of layersIn(trained, plan.placement.layers)) {
    const [node, params] = [nodes.get(name), plan.weights.get(name)]
    if (!node || !params) continue
    const scale = values.get(scaleNames.weight(name))?.slice() ?? params.scale
    weights.set(name, { ...params, scale })
    editor.setConstant(node, weightIndex, cut(weight, scale, params.axis, topCode(plan, name)))
  }
  return { model: editor.finish(), plan: { ...plan, activations, weights } }
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
