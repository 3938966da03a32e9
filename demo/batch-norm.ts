// BatchNorm in training mode: normalises each channel by the batch and keeps running statistics for inference.
import { type Layer, type Maps, makeParameter, mapsLike, type Parameter, rowsOf } from './maps.ts'

/** Added to the variance; also an attribute of the exported node. */
export const EPSILON = 1e-5
/** Share of the running statistics that a batch replaces. */
const MOMENTUM = 0.05

/** BatchNorm over all positions of a channel (Ioffe & Szegedy, arXiv 1502.03167). */
export class BatchNorm implements Layer {
  readonly channels: number
  readonly scale: Parameter
  readonly shift: Parameter
  readonly runningMean: Float32Array
  readonly runningVariance: Float32Array
  readonly parameters: readonly Parameter[]
  #input: Maps | undefined
  #mean: Float64Array = new Float64Array()
  /** 1 / deviation of each channel in the batch. */
  #inverse: Float64Array = new Float64Array()

  constructor(channels: number) {
    this.channels = channels
    this.scale = makeParameter(new Float32Array(channels).fill(1), false)
    this.shift = makeParameter(new Float32Array(channels), false)
    this.runningMean = new Float32Array(channels)
    this.runningVariance = new Float32Array(channels).fill(1)
    this.parameters = [this.scale, this.shift]
  }

  forward(input: Maps): Maps {
    const { mean, variance } = momentsOf(input)
    this.#input = input
    this.#mean = mean
    this.#inverse = variance.map((value) => 1 / Math.sqrt(value + EPSILON))
    for (let c = 0; c < this.channels; c++) {
      this.runningMean[c] = this.runningMean[c]! + MOMENTUM * (mean[c]! - this.runningMean[c]!)
      this.runningVariance[c] = this.runningVariance[c]! + MOMENTUM * (variance[c]! - this.runningVariance[c]!)
    }
    const factor = this.#inverse.map((inverse, c) => inverse * this.scale.value[c]!)
    const offset = factor.map((value, c) => this.shift.value[c]! - value * mean[c]!)
    const output = mapsLike(input)
    const [source, target] = [input.data, output.data]
    for (let at = 0; at < source.length; at += this.channels)
      for (let c = 0; c < this.channels; c++) target[at + c] = factor[c]! * source[at + c]! + offset[c]!
    return output
  }

  /**
   * With x̂ = (X − mean) / deviation: dShift = Σ dY, dScale = Σ dY · x̂,
   * dX = scale / deviation · (dY − mean(dY) − x̂ · mean(dY · x̂)), which is linear in dY and X for each channel.
   */
  backward(gradient: Maps): Maps {
    const { channels } = this
    const [slope, source] = [gradient.data, this.#input!.data]
    const sum = new Float64Array(channels)
    const product = new Float64Array(channels)
    for (let at = 0; at < slope.length; at += channels)
      for (let c = 0; c < channels; c++) {
        sum[c] = sum[c]! + slope[at + c]!
        product[c] = product[c]! + slope[at + c]! * source[at + c]!
      }
    const rows = rowsOf(gradient)
    const ofSlope = new Float64Array(channels)
    const ofSource = new Float64Array(channels)
    const constant = new Float64Array(channels)
    for (let c = 0; c < channels; c++) {
      const [mean, inverse] = [this.#mean[c]!, this.#inverse[c]!]
      const scaleSlope = inverse * (product[c]! - mean * sum[c]!)
      this.shift.gradient[c] = this.shift.gradient[c]! + sum[c]!
      this.scale.gradient[c] = this.scale.gradient[c]! + scaleSlope
      ofSlope[c] = this.scale.value[c]! * inverse
      ofSource[c] = (-ofSlope[c]! * inverse * scaleSlope) / rows
      constant[c] = (-ofSlope[c]! * sum[c]!) / rows - ofSource[c]! * mean
    }
    const output = mapsLike(gradient)
    const target = output.data
    for (let at = 0; at < slope.length; at += channels)
      for (let c = 0; c < channels; c++)
        target[at + c] = ofSlope[c]! * slope[at + c]! + ofSource[c]! * source[at + c]! + constant[c]!
    return output
  }
}

/** Mean and variance of each channel. */
function momentsOf({ data, channels }: Maps): { mean: Float64Array; variance: Float64Array } {
  const rows = data.length / channels
  const sum = new Float64Array(channels)
  const squares = new Float64Array(channels)
  for (let at = 0; at < data.length; at += channels)
    for (let c = 0; c < channels; c++) {
      const value = data[at + c]!
      sum[c] = sum[c]! + value
      squares[c] = squares[c]! + value * value
    }
  const mean = sum.map((value) => value / rows)
  return { mean, variance: squares.map((value, c) => Math.max(0, value / rows - mean[c]! ** 2)) }
}
