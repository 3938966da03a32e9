// First scales of weights with few bits: those with the smallest mean square error, not those that cover the largest.
import type { QuantParams } from '../../math/index.ts'
import type { Layer, Node } from '../../onnx/index.ts'
import type { Plan } from '../../quantize/index.ts'
import { topCode } from './grids.ts'

/** Shares of the covering scale that are tried: from a quarter to all of it. */
const CANDIDATES = 40

/** The plan with narrower scales for layers of fewer than 8 bits. */
export function withNarrowScales(plan: Plan): Plan {
  const weights = new Map<Node, QuantParams>()
  for (const [node, params] of plan.weights) {
    const layer = plan.placement.layers.get(node)
    const bits = plan.weightBits.get(node) ?? 8
    weights.set(node, bits < 8 && layer?.view ? narrowed(layer, params, topCode(plan, node)) : params)
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
