// The trained network as ONNX, as PyTorch would export it before anything is folded: Conv, BatchNormalization, Clip.
import { UnsupportedError } from '../src/base/index.ts'
import { type Attribute, floatAttr, GraphEditor, intAttr, intsAttr, type Model, Tensor } from '../src/onnx/index.ts'
import { BatchNorm, EPSILON } from './batch-norm.ts'
import { Pointwise, Stem } from './convolutions.ts'
import { Depthwise } from './depthwise.ts'
import { SIDE } from './draw.ts'
import { Gemm, GlobalAveragePool, Relu6, Residual, Sequence } from './layers.ts'
import type { Layer } from './maps.ts'
import type { Network } from './network.ts'
import { shapes } from './shapes.ts'

const INPUT = 'image'
const OUTPUT = 'logits'

/** Input `image` float32 [N, 3, 32, 32], output `logits` float32 [N, classes]; opset 17, IR 8. */
export function exportModel(network: Network): Model {
  const writer = new Writer()
  let value = INPUT
  for (const [name, part] of network.parts) value = writer.layer(part, name, value)
  return writer.finish(value)
}

/** Adds a node, or a few, for each layer. */
class Writer {
  readonly #editor = new GraphEditor(emptyModel())

  finish(value: string): Model {
    const last = this.#editor.producer(value)!
    this.#editor.setOutput(last, 0, OUTPUT)
    return this.#editor.finish()
  }

  /** Writes `layer`, reading `input`; `name` is the beginning of its nodes' names. Returns the value it makes. */
  layer(layer: Layer, name: string, input: string): string {
    if (layer instanceof Sequence) return this.#sequence(layer, name, input)
    if (layer instanceof Residual) return this.#node('Add', `${name}.add`, [input, this.layer(layer.body, name, input)])
    if (layer instanceof Stem) return this.#stem(layer, name, input)
    if (layer instanceof Pointwise) return this.#pointwise(layer, name, input)
    if (layer instanceof Depthwise) return this.#depthwise(layer, name, input)
    if (layer instanceof BatchNorm) return this.#batchNorm(layer, name, input)
    if (layer instanceof Relu6) return this.#node('Clip', name, [input, this.#limit('min', 0), this.#limit('max', 6)])
    if (layer instanceof GlobalAveragePool)
      return this.#node('Flatten', 'flatten', [this.#node('GlobalAveragePool', name, [input])], { axis: intAttr(1) })
    if (layer instanceof Gemm) return this.#gemm(layer, name, input)
    throw new UnsupportedError(`layer "${name}" is of a kind that has no ONNX form here; add it to the exporter`)
  }

  /** Numbers the triples of convolution, normalisation and activation: block1.conv1, block1.norm1, block1.relu1 … */
  #sequence(sequence: Sequence, name: string, input: string): string {
    let [value, triple] = [input, 0]
    for (const layer of sequence.layers) {
      const kind = layer instanceof BatchNorm ? 'norm' : layer instanceof Relu6 ? 'relu' : 'conv'
      if (kind === 'conv') triple++
      value = this.layer(layer, `${name}.${kind}${triple}`, value)
    }
    return value
  }

  #stem({ inputs, outputs, weight }: Stem, name: string, input: string): string {
    const values = reordered(
      weight.value,
      [outputs, 9, inputs],
      (out, tap, channel) => (out * inputs + channel) * 9 + tap,
    )
    return this.#conv(name, input, [outputs, inputs, 3, 3], values, { stride: 2 })
  }

  #pointwise({ inputs, outputs, weight }: Pointwise, name: string, input: string): string {
    return this.#conv(name, input, [outputs, inputs, 1, 1], weight.value, {})
  }

  #depthwise({ channels, stride, weight }: Depthwise, name: string, input: string): string {
    const values = reordered(weight.value, [1, 9, channels], (_, tap, channel) => channel * 9 + tap)
    return this.#conv(name, input, [channels, 1, 3, 3], values, { stride, group: channels })
  }

  #conv(
    name: string,
    input: string,
    shape: readonly [number, number, number, number],
    values: Float32Array,
    { stride = 1, group = 1 }: { readonly stride?: number; readonly group?: number },
  ): string {
    const side = shape[3]
    const pad = (side - 1) / 2
    return this.#node('Conv', name, [input, this.#tensor(`${name}.weight`, shape, values)], {
      kernel_shape: intsAttr([side, side]),
      strides: intsAttr([stride, stride]),
      pads: intsAttr([pad, pad, pad, pad]),
      dilations: intsAttr([1, 1]),
      group: intAttr(group),
    })
  }

  #batchNorm(layer: BatchNorm, name: string, input: string): string {
    const statistics = [
      this.#tensor(`${name}.scale`, [layer.channels], layer.scale.value),
      this.#tensor(`${name}.bias`, [layer.channels], layer.shift.value),
      this.#tensor(`${name}.mean`, [layer.channels], layer.runningMean),
      this.#tensor(`${name}.var`, [layer.channels], layer.runningVariance),
    ]
    return this.#node('BatchNormalization', name, [input, ...statistics], { epsilon: floatAttr(EPSILON) })
  }

  #gemm({ inputs, outputs, weight, bias }: Gemm, name: string, input: string): string {
    const weightName = this.#tensor(`${name}.weight`, [outputs, inputs], weight.value)
    const biasName = this.#tensor(`${name}.bias`, [outputs], bias.value)
    return this.#node('Gemm', name, [input, weightName, biasName], { transB: intAttr(1) })
  }

  /** A bound of ReLU6: a scalar that all Clips share. */
  #limit(kind: 'min' | 'max', value: number): string {
    const name = `relu6.${kind}`
    return this.#editor.graph.initializers.has(name) ? name : this.#editor.addTensor(name, Tensor.scalar(value))
  }

  #tensor(name: string, shape: readonly number[], values: Float32Array): string {
    return this.#editor.addTensor(name, Tensor.from('float32', shape, values))
  }

  #node(
    opType: string,
    name: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    this.#editor.addNode({ opType, name, inputs, outputs: [name], attributes })
    return name
  }
}

/** Puts element (a, b, c) of an array of these dims at the place that `target` says. */
function reordered(
  values: Float32Array,
  [, second, third]: readonly [number, number, number],
  target: (a: number, b: number, c: number) => number,
): Float32Array {
  const output = new Float32Array(values.length)
  for (const [i, value] of values.entries())
    output[target(Math.floor(i / (second * third)), Math.floor(i / third) % second, i % third)] = value
  return output
}

function emptyModel(): Model {
  return {
    irVersion: 8,
    opsets: new Map([['', 17]]),
    producer: 'onnxpress demo',
    metadata: new Map(),
    notes: [],
    graph: {
      name: 'shapes',
      nodes: [],
      initializers: new Map(),
      inputs: [{ name: INPUT, dtype: 'float32', shape: ['N', 3, SIDE, SIDE] }],
      outputs: [{ name: OUTPUT, dtype: 'float32', shape: ['N', shapes.length] }],
      valueInfo: new Map(),
    },
  }
}
