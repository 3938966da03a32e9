// The small layers: ReLU6, residual Add, global average pool, Gemm, and layers in a row.
import type { Random } from '../src/math/index.ts'
import { type Layer, type Maps, makeParameter, mapsLike, type Parameter } from './maps.ts'
import { addProduct, matrix, transposed } from './product.ts'

export class Relu6 implements Layer {
  readonly parameters: readonly Parameter[] = []
  #input: Maps | undefined

  forward(input: Maps): Maps {
    this.#input = input
    const output = mapsLike(input)
    const [source, target] = [input.data, output.data]
    for (let i = 0; i < target.length; i++) target[i] = Math.min(6, Math.max(0, source[i]!))
    return output
  }

  backward(gradient: Maps): Maps {
    const input = this.#input!.data
    const output = mapsLike(gradient)
    const [slope, target] = [gradient.data, output.data]
    for (let i = 0; i < target.length; i++) target[i] = input[i]! > 0 && input[i]! < 6 ? slope[i]! : 0
    return output
  }
}

/** Layers one after another. */
export class Sequence implements Layer {
  readonly layers: readonly Layer[]
  readonly parameters: readonly Parameter[]

  constructor(layers: readonly Layer[]) {
    this.layers = layers
    this.parameters = layers.flatMap((layer) => layer.parameters)
  }

  forward(input: Maps): Maps {
    return this.layers.reduce((maps, layer) => layer.forward(maps), input)
  }

  backward(gradient: Maps): Maps {
    return this.layers.reduceRight((maps, layer) => layer.backward(maps), gradient)
  }
}

/** `x + body(x)` (He et al., arXiv 1512.03385). */
export class Residual implements Layer {
  readonly body: Sequence
  readonly parameters: readonly Parameter[]

  constructor(body: Sequence) {
    this.body = body
    this.parameters = body.parameters
  }

  forward(input: Maps): Maps {
    return sum(input, this.body.forward(input))
  }

  backward(gradient: Maps): Maps {
    return sum(gradient, this.body.backward(gradient))
  }
}

function sum(a: Maps, b: Maps): Maps {
  const output = mapsLike(a)
  for (let i = 0; i < output.data.length; i++) output.data[i] = a.data[i]! + b.data[i]!
  return output
}

/** The mean of every map. */
export class GlobalAveragePool implements Layer {
  readonly parameters: readonly Parameter[] = []
  #input: Maps | undefined

  forward(input: Maps): Maps {
    this.#input = input
    const positions = input.height * input.width
    const output = mapsLike(input, { height: 1, width: 1 })
    for (let i = 0; i < input.data.length; i++) {
      const target = targetOf(i, positions, input.channels)
      output.data[target] = output.data[target]! + input.data[i]! / positions
    }
    return output
  }

  backward(gradient: Maps): Maps {
    const output = mapsLike(this.#input!)
    const positions = output.height * output.width
    for (let i = 0; i < output.data.length; i++)
      output.data[i] = gradient.data[targetOf(i, positions, output.channels)]! / positions
    return output
  }
}

/** The element of the pooled maps that element `i` of the maps goes to. */
function targetOf(i: number, positions: number, channels: number): number {
  return Math.floor(i / (positions * channels)) * channels + (i % channels)
}

/** `x · weightᵀ + bias` on maps of one pixel. `weight.value` is [out, in]. */
export class Gemm implements Layer {
  readonly inputs: number
  readonly outputs: number
  readonly weight: Parameter
  readonly bias: Parameter
  readonly parameters: readonly Parameter[]
  #input: Maps | undefined

  constructor(inputs: number, outputs: number, random: Random) {
    this.inputs = inputs
    this.outputs = outputs
    const weight = Float32Array.from({ length: inputs * outputs }, () => random.normal() / Math.sqrt(inputs))
    this.weight = makeParameter(weight, true)
    this.bias = makeParameter(new Float32Array(outputs), false)
    this.parameters = [this.weight, this.bias]
  }

  forward(input: Maps): Maps {
    this.#input = input
    const { inputs, outputs } = this
    const output = mapsLike(input, { channels: outputs })
    for (let n = 0; n < input.count; n++) output.data.set(this.bias.value, n * outputs)
    const weight = transposed(matrix(this.weight.value, inputs))
    addProduct(output.data, matrix(input.data, inputs), weight, input.count, outputs, inputs)
    return output
  }

  backward(gradient: Maps): Maps {
    const input = this.#input!
    const { inputs, outputs, bias } = this
    const slope = matrix(gradient.data, outputs)
    addProduct(this.weight.gradient, transposed(slope), matrix(input.data, inputs), outputs, inputs, input.count)
    gradient.data.forEach((value, i) => {
      bias.gradient[i % outputs] = bias.gradient[i % outputs]! + value
    })
    const inputGradient = mapsLike(input)
    addProduct(inputGradient.data, slope, matrix(this.weight.value, inputs), input.count, inputs, outputs)
    return inputGradient
  }
}
