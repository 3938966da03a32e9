// The convolutions that are matrix products, each with its backward: the 3x3 stem and the pointwise 1x1. Neither has a bias.
import type { Random } from '../src/math/index.ts'
import { initialWeights } from './initial-weights.ts'
import { type Layer, type Maps, makeParameter, mapsLike, type Parameter, rowsOf } from './maps.ts'
import { pad } from './padding.ts'
import { addProduct, matrix, transposed } from './product.ts'

/** Conv 1x1. `weight.value` is [out, in]. */
export class Pointwise implements Layer {
  readonly inputs: number
  readonly outputs: number
  readonly weight: Parameter
  readonly parameters: readonly Parameter[]
  #input: Maps | undefined

  constructor(inputs: number, outputs: number, random: Random) {
    this.inputs = inputs
    this.outputs = outputs
    this.weight = makeParameter(initialWeights(random, inputs * outputs, inputs), true)
    this.parameters = [this.weight]
  }

  forward(input: Maps): Maps {
    this.#input = input
    const output = mapsLike(input, { channels: this.outputs })
    const weight = matrix(this.weight.value, this.inputs)
    addProduct(
      output.data,
      matrix(input.data, this.inputs),
      transposed(weight),
      rowsOf(input),
      this.outputs,
      this.inputs,
    )
    return output
  }

  backward(gradient: Maps): Maps {
    const input = this.#input!
    const { inputs, outputs } = this
    const rows = rowsOf(input)
    const slope = matrix(gradient.data, outputs)
    addProduct(this.weight.gradient, transposed(slope), matrix(input.data, inputs), outputs, inputs, rows)
    const inputGradient = mapsLike(input)
    addProduct(inputGradient.data, slope, matrix(this.weight.value, inputs), rows, inputs, outputs)
    return inputGradient
  }
}

/** The first layer: Conv 3x3, stride 2, pads 1, as a product with patches. `weight.value` is [out, 3, 3, in]. */
export class Stem implements Layer {
  readonly inputs: number
  readonly outputs: number
  readonly weight: Parameter
  readonly parameters: readonly Parameter[]
  #input: Maps | undefined
  #patches: Maps | undefined

  constructor(inputs: number, outputs: number, random: Random) {
    this.inputs = inputs
    this.outputs = outputs
    this.weight = makeParameter(initialWeights(random, outputs * 9 * inputs, 9 * inputs), true)
    this.parameters = [this.weight]
  }

  forward(input: Maps): Maps {
    this.#input = input
    const patches = patchesOf(input)
    this.#patches = patches
    const output = mapsLike(patches, { channels: this.outputs })
    const depth = patches.channels
    const weight = transposed(matrix(this.weight.value, depth))
    addProduct(output.data, matrix(patches.data, depth), weight, rowsOf(patches), this.outputs, depth)
    return output
  }

  /** The pictures need no gradient: what is returned is zero. */
  backward(gradient: Maps): Maps {
    const patches = this.#patches!
    const slope = transposed(matrix(gradient.data, this.outputs))
    const depth = patches.channels
    addProduct(this.weight.gradient, slope, matrix(patches.data, depth), this.outputs, depth, rowsOf(patches))
    return mapsLike(this.#input!)
  }
}

/** The 3x3 neighbourhood of every other pixel as the channels of maps half the size, zero beyond the border. */
function patchesOf(input: Maps): Maps {
  const padded = pad(input)
  const { channels } = input
  const patches = mapsLike(input, { height: input.height / 2, width: input.width / 2, channels: 9 * channels })
  const rowLength = padded.width * channels
  let target = 0
  for (let n = 0; n < patches.count; n++)
    for (let y = 0; y < patches.height; y++)
      for (let x = 0; x < patches.width; x++)
        for (let ky = 0; ky < 3; ky++) {
          const source = (n * padded.height + 2 * y + ky) * rowLength + 2 * x * channels
          for (let i = 0; i < 3 * channels; i++) patches.data[target++] = padded.data[source + i]!
        }
  return patches
}
