// Conv 3x3 of every channel by itself, and its backward.
import type { Random } from '../src/math/index.ts'
import { initialWeights } from './initial-weights.ts'
import { type Layer, type Maps, makeParameter, mapsLike, type Parameter } from './maps.ts'
import { pad, unpad } from './padding.ts'

/** Conv 3x3 of every channel by itself, pads 1. `weight.value` is [3, 3, channels]. */
export class Depthwise implements Layer {
  readonly channels: number
  readonly stride: number
  readonly weight: Parameter
  readonly parameters: readonly Parameter[]
  #padded: Maps | undefined

  constructor(channels: number, stride: number, random: Random) {
    this.channels = channels
    this.stride = stride
    this.weight = makeParameter(initialWeights(random, 9 * channels, 9), true)
    this.parameters = [this.weight]
  }

  forward(input: Maps): Maps {
    const padded = pad(input)
    this.#padded = padded
    const output = mapsLike(input, { height: input.height / this.stride, width: input.width / this.stride })
    const { channels } = this
    const [source, target, weight] = [padded.data, output.data, this.weight.value]
    const rowLength = padded.width * channels
    eachPixel(output, padded, this.stride, (from, to) => {
      for (let row = 0; row < 3; row++) {
        const [at, tap] = [from + row * rowLength, 3 * row * channels]
        for (let c = 0; c < channels; c++)
          target[to + c] =
            target[to + c]! +
            source[at + c]! * weight[tap + c]! +
            source[at + channels + c]! * weight[tap + channels + c]! +
            source[at + 2 * channels + c]! * weight[tap + 2 * channels + c]!
      }
    })
    return output
  }

  backward(gradient: Maps): Maps {
    const padded = this.#padded!
    const paddedGradient = mapsLike(padded)
    const { channels } = this
    const [source, slope, weight, weightGradient] = [
      padded.data,
      gradient.data,
      this.weight.value,
      this.weight.gradient,
    ]
    const inputSlope = paddedGradient.data
    const rowLength = padded.width * channels
    eachPixel(gradient, padded, this.stride, (from, to) => {
      for (let row = 0; row < 3; row++) {
        let [at, tap] = [from + row * rowLength, 3 * row * channels]
        for (const end = tap + 3 * channels; tap < end; tap += channels, at += channels)
          for (let c = 0; c < channels; c++) {
            const value = slope[to + c]!
            inputSlope[at + c] = inputSlope[at + c]! + value * weight[tap + c]!
            weightGradient[tap + c] = weightGradient[tap + c]! + value * source[at + c]!
          }
      }
    })
    return unpad(paddedGradient)
  }
}

/** Calls `visit` for every output pixel with its position and that of the first input pixel under the kernel. */
function eachPixel(output: Maps, padded: Maps, stride: number, visit: (from: number, to: number) => void): void {
  const { channels, count, height, width } = output
  for (let n = 0, to = 0; n < count; n++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++, to += channels)
        visit(((n * padded.height + y * stride) * padded.width + x * stride) * channels, to)
}
