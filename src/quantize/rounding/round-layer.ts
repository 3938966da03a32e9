// Second-order rounding of one layer on its way through the walk: moments of what it reads, scales, codes.
import { geometryOf, patchSize } from '../../calibrate/index.ts'
import { type Matrix, type QuantParams, roundToEven } from '../../math/index.ts'
import { type Layer, Tensor, withTensors } from '../../onnx/index.ts'
import type { LayerSlots } from '../correct/slots.ts'
import type { VisitedLayer } from '../correct/visit-layers.ts'
import { leastScaleFor } from '../plan.ts'
import { type GatherOptions, gatherGroups } from './gather.ts'
import { optimizeRounding } from './optimize.ts'
import type { RoundingProblem } from './problem.ts'
import { type RoundingGroup, scaleGridFor, searchScales } from './scale-search.ts'

export interface RoundLayerOptions extends GatherOptions {
  /** Bits of the layer's codes. */
  readonly bits: number
  /** Scale of the layer's input grid; absent when the bias is float. */
  readonly inputScale?: number
  /** How codes are found for scales that are fixed; default: GPTQ and coordinate descent. */
  readonly optimize?: (problem: RoundingProblem) => Float64Array | Promise<Float64Array>
}

/** Wider patches would take minutes: their layers keep plain rounding. */
const WIDEST = 2304

/**
 * Rounds the weights of a layer anew, before its output is computed. Codes, scales and the bias on its new grid are changed in
 * the model of the walk.
 * @returns the layer's new weight grid, or why it was left
 */
export async function roundLayerAt(
  at: VisitedLayer,
  params: QuantParams,
  options: RoundLayerOptions,
): Promise<QuantParams | string> {
  const { view, layer, slots } = at
  const geometry = geometryOf(layer)
  if (typeof geometry === 'string') return geometry
  if (patchSize(geometry) > WIDEST) return `its patches have ${patchSize(geometry)} numbers`
  const groups = await gatherGroups(at, geometry, options)
  if (groups.length === 0) return 'it was not observed'
  const high = 2 ** (options.bits - 1) - 1
  const codes = { low: -high, high }
  const rows = geometry.groups * geometry.outputsPerGroup
  const shared = params.scale.length === 1
  const minmax = minmaxScales(groups, params, rows, high)
  const best = await searchScales(options.products, groups, minmax, {
    ...codes,
    grid: scaleGridFor(options.bits),
    shared,
  })
  const scales = withRoomForBias(best, layer, options.inputScale, shared)
  const tensor = new Int8Array(layer.weight.size)
  let first = 0
  for (const { weights, hessian } of groups) {
    const own = scales.subarray(first, first + weights.rows)
    const problem = { weights, hessian, scales: own, ...codes }
    const found = await (options.optimize?.(problem) ?? optimizeRounding(problem, options.products))
    write(tensor, layer, first, { columns: weights.columns, data: found })
    first += weights.rows
    // Long sums run on this thread: let it see to other things between groups.
    if (groups.length === 1 || first % 64 === 0) await new Promise((resolve) => setTimeout(resolve))
  }
  const scale = shared ? Float32Array.of(scales[0]!) : Float32Array.from(scales)
  const changed = new Map([
    [slots.codes, Tensor.from('int8', layer.weight.shape, tensor)],
    [slots.scale, Tensor.from('float32', shared ? [] : [rows], scale)],
    ...biasOnGrid(layer, slots, scale, options.inputScale),
  ])
  view.change(withTensors(view.model, changed))
  return { ...params, scale }
}

function write(tensor: Int8Array, { view }: Layer, first: number, { columns, data }: Omit<Matrix, 'rows'>): void {
  if (!view) return
  for (let row = 0; row < data.length / columns; row++)
    for (let i = 0, at = row * columns; i < view.inputsPerGroup; i++)
      for (let u = 0; u < view.positions; u++, at++)
        tensor[view.offset(first + row) + i * view.inputStride + u * view.positionStride] = data[at]!
}

/** The scales that cover every weight: the largest of each row, or of the layer. Empty rows keep the plan's. */
function minmaxScales(groups: readonly RoundingGroup[], params: QuantParams, rows: number, high: number): Float64Array {
  const largest = new Float64Array(rows)
  let row = 0
  for (const { weights } of groups)
    for (let r = 0; r < weights.rows; r++, row++)
      for (let c = 0; c < weights.columns; c++)
        largest[row] = Math.max(largest[row]!, Math.abs(weights.data[r * weights.columns + c]!))
  if (params.scale.length === 1)
    return new Float64Array(rows).fill(largest.reduce((a, b) => Math.max(a, b), 0) / high || 1)
  return largest.map((top, o) => (top > 0 ? top / high : params.scale[o]!))
}

/** float32 scales, raised where the bias would not fit int32. */
function withRoomForBias(
  scales: Float64Array,
  layer: Layer,
  inputScale: number | undefined,
  shared: boolean,
): Float64Array {
  const bias = inputScale === undefined ? undefined : layer.bias?.floats()
  const needed = (row: number) => (bias ? leastScaleFor(bias[row] ?? 0, inputScale ?? 1) : 0)
  const fitted = scales.map((scale, row) => Math.fround(Math.max(scale, needed(row), 2 ** -126)))
  return shared ? fitted.fill(fitted.reduce((a, b) => Math.max(a, b), 0)) : fitted
}

/** The float bias on the grid input scale × weight scale. */
function biasOnGrid(
  layer: Layer,
  { bias }: LayerSlots,
  weightScale: Float32Array,
  inputScale: number | undefined,
): [string, Tensor][] {
  const values = layer.bias?.floats()
  if (!bias || 'float' in bias || !values || inputScale === undefined) return []
  const scale = weightScale.map((s) => Math.fround(s * inputScale))
  const codes = Int32Array.from(values, (x, o) => roundToEven(x / scale[scale.length === 1 ? 0 : o]!))
  return [
    [bias.codes, Tensor.from('int32', [codes.length], codes)],
    [bias.scale, Tensor.from('float32', scale.length === 1 ? [] : [scale.length], scale)],
  ]
}
