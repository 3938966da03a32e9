// Constants that look damaged: a channel of a weight, or a bias, far beyond all others of its layer. Noise does not show them all: a bias
// that was moved is moved in float, too.
import { isDepthwise, type Layer } from '../../onnx/index.ts'

/**
 * How many times as far as the next channel the farthest one must reach: of 1,239 biases of public networks 4 have one that does. Rows of
 * weights differ more where a BatchNormalization was folded, most in depthwise layers: those count where the channel of what they make stands
 * out as well, and those beyond `CERTAIN`.
 */
const FAR = { weight: 4, bias: 5 }
const CERTAIN = { depthwise: 16, other: 8 }
/** Fewer channels say nothing of each other. */
const LEAST_CHANNELS = 8

/** A channel that reaches far beyond the next one. */
export interface Alone {
  readonly of: 'weight' | 'bias'
  readonly channel: number
  /** As far as the next. */
  readonly times: number
}

/**
 * The channel of a layer's constants that stands alone; the one that does so most where weight and bias each have one.
 * @param loud the channel of the layer's result that stands out, where one does
 */
export function standsAlone(layer: Layer, loud: number | undefined): Alone | undefined {
  const bias = layer.bias?.floats().map(Math.abs)
  const weight = farthest('weight', rowReach(layer))
  const found = [
    ...(weight && (weight.channel === loud || weight.times >= CERTAIN[isDepthwise(layer) ? 'depthwise' : 'other'])
      ? [weight]
      : []),
    ...(bias ? [farthest('bias', bias)] : []),
  ]
  return found
    .flatMap((alone) => (alone && alone.times >= FAR[alone.of] ? [alone] : []))
    .reduce<Alone | undefined>(
      (most, each) => (most && most.times / FAR[most.of] >= each.times / FAR[each.of] ? most : each),
      undefined,
    )
}

function farthest(of: Alone['of'], reach: Float64Array | Float32Array): Alone | undefined {
  if (reach.length < LEAST_CHANNELS) return undefined
  let [channel, most, next] = [0, 0, 0]
  for (const [at, value] of reach.entries()) {
    if (value > most) [channel, most, next] = [at, value, most]
    else if (value > next) next = value
  }
  return next > 0 ? { of, channel, times: most / next } : undefined
}

/** Largest absolute weight of each output channel. */
export function rowReach({ weight, view }: Layer): Float64Array {
  if (!view) return new Float64Array()
  const values = weight.floats()
  return Float64Array.from({ length: view.outputs }, (_, o) => {
    let reach = 0
    const base = view.offset(o)
    for (let i = 0; i < view.inputsPerGroup; i++)
      for (let u = 0; u < view.positions; u++)
        reach = Math.max(reach, Math.abs(values[base + i * view.inputStride + u * view.positionStride] ?? 0))
    return reach
  })
}
