// First scales of weights with few bits: those with the smallest mean square error, not those that cover the largest.
import type { QuantParams } from '../../math/index.ts'
import type { Layer, Model } from '../../onnx/index.ts'
import { layersIn, type Plan } from '../../quantize/index.ts'
import { topCode } from './grids.ts'

/** Shares of the covering scale that are tried: from a quarter to all of it. */
const CANDIDATES = 40

/**
 * The plan with narrower scales for layers of fewer than 8 bits.
 * @param model the model of the plan
 */
export function withNarrowScales(model: Model, plan: Plan): Plan {
  const weights = new Map(plan.weights)
  for (const layer of layersIn(model, plan.weights)) {
    const params = plan.weights.get(layer.name)
    const bits = plan.weightBits.get(layer.name) ?? 8
    if (params && bits < 8 && layer.view) weights.set(layer.name, narrowed(layer, params, topCode(plan, layer.name)))
  }
  return { ...plan, weights }
}

function narrowed(layer: Layer, params: QuantParams, top: number): QuantParams {
  const values = layer.weight.floats()
  const perChannel = params.axis !== undefined
  const scale = params.scale.map((covering, o) =>
    bestScale(perChannel ? channelOf(layer, values, o) : values, covering, top),
  )
  return { ...params, scale }
}

/** The weights of one output channel. */
export function channelOf({ view }: Layer, values: Float32Array, output: number): Float32Array {
  if (!view) return values
  const from = view.offset(output)
  return Float32Array.from({ length: view.inputsPerGroup * view.positions }, (_, k) => {
    const i = Math.floor(k / view.positions)
    return values[from + i * view.inputStride + (k % view.positions) * view.positionStride] ?? 0
  })
}

function bestScale(values: Float32Array, covering: number, top: number): number {
  let best = covering
  let lowest = Number.POSITIVE_INFINITY
  for (let j = CANDIDATES; j >= CANDIDATES / 4; j--) {
    const scale = Math.fround((covering * j) / CANDIDATES)
    let error = 0
    for (const value of values) {
      const code = Math.min(Math.max(Math.round(value / scale), -top), top)
      error += (value - code * scale) ** 2
    }
    if (error < lowest) [best, lowest] = [scale, error]
  }
  return best
}
