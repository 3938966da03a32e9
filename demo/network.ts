// The demo's network as ONNX: a small MobileNetV2 (Sandler et al., arXiv 1801.04381) for pictures of 32 × 32, without weights.
import { type Attribute, floatAttr, GraphEditor, intAttr, intsAttr, type Model, Tensor } from '../src/onnx/index.ts'
import { SIDE } from './draw.ts'
import { shapes } from './shapes.ts'

/** One inverted residual block: 1×1 to `expansion` times the channels, depthwise 3×3, 1×1 to `outputs` without ReLU6. */
export interface Block {
  readonly expansion: number
  readonly outputs: number
  readonly stride: 1 | 2
}

/** What a network is made of. */
export interface Design {
  readonly stem: number
  readonly blocks: readonly Block[]
  readonly head: number
  readonly classes: number
}

/** The network of the demo: maps of 16 × 16 after the stem, then 8 × 8, then 4 × 4. */
export const demoDesign: Design = {
  stem: 16,
  blocks: [
    { expansion: 1, outputs: 16, stride: 1 },
    { expansion: 3, outputs: 24, stride: 2 },
    { expansion: 3, outputs: 24, stride: 1 },
    { expansion: 3, outputs: 24, stride: 1 },
    { expansion: 4, outputs: 40, stride: 2 },
    { expansion: 4, outputs: 40, stride: 1 },
    { expansion: 4, outputs: 40, stride: 1 },
  ],
  head: 128,
  classes: shapes.length,
}

const INPUT = 'image'
const OUTPUT = 'logits'
const EPSILON = 1e-5

/**
 * Input `image` float32 [N, 3, 32, 32], output `logits` float32 [N, classes]; opset 18, IR 8. As training frameworks write it
 * before anything is folded: Conv without bias, BatchNormalization and ReLU6 (Clip) nodes of their own. All weights are 0.
 */
export function networkModel(design: Design): Model {
  const writer = new Writer()
  let value = writer.convolution('stem', '1', INPUT, 3, design.stem, { side: 3, stride: 2 })
  let channels = design.stem
  for (const [index, block] of design.blocks.entries()) {
    value = writer.block(`block${index + 1}`, value, channels, block)
    channels = block.outputs
  }
  value = writer.convolution('head', '1', value, channels, design.head, {})
  return writer.finish(value, design)
}

interface Convolution {
  readonly side?: number
  readonly stride?: number
  readonly group?: number
  readonly relu?: boolean
}

class Writer {
  readonly #editor = new GraphEditor(emptyModel())

  finish(value: string, { head, classes }: Design): Model {
    const pooled = this.#node('GlobalAveragePool', 'pool', [value])
    const flat = this.#node('Flatten', 'flatten', [pooled], { axis: intAttr(1) })
    const inputs = [flat, this.#zeros('classifier.weight', [classes, head]), this.#zeros('classifier.bias', [classes])]
    this.#editor.addNode({
      opType: 'Gemm',
      name: 'classifier',
      inputs,
      outputs: [OUTPUT],
      attributes: { transB: intAttr(1) },
    })
    return this.#editor.finish()
  }

  /** A block; residual where it keeps its size. */
  block(name: string, input: string, inputs: number, { expansion, outputs, stride }: Block): string {
    const inner = inputs * expansion
    const wide = expansion === 1 ? input : this.convolution(name, '1', input, inputs, inner, {})
    const next = expansion === 1 ? 1 : 2
    const depthwise = { side: 3, stride, group: inner }
    const moved = this.convolution(name, String(next), wide, inner, inner, depthwise)
    const narrow = this.convolution(name, String(next + 1), moved, inner, outputs, { relu: false })
    return stride === 1 && inputs === outputs ? this.#node('Add', `${name}.add`, [input, narrow]) : narrow
  }

  /** Conv, BatchNormalization and ReLU6, numbered: block1.conv1, block1.norm1, block1.relu1 … */
  convolution(name: string, number: string, input: string, inputs: number, outputs: number, more: Convolution): string {
    const { side = 1, stride = 1, group = 1, relu = true } = more
    const pad = (side - 1) / 2
    const conv = `${name}.conv${number}`
    const weight = this.#zeros(`${conv}.weight`, [outputs, inputs / group, side, side])
    const convolved = this.#node('Conv', conv, [input, weight], {
      kernel_shape: intsAttr([side, side]),
      strides: intsAttr([stride, stride]),
      pads: intsAttr([pad, pad, pad, pad]),
      dilations: intsAttr([1, 1]),
      group: intAttr(group),
    })
    const norm = `${name}.norm${number}`
    const statistics = ['scale', 'bias', 'mean', 'var'].map((part) => this.#zeros(`${norm}.${part}`, [outputs]))
    const normalized = this.#node('BatchNormalization', norm, [convolved, ...statistics], {
      epsilon: floatAttr(EPSILON),
    })
    if (!relu) return normalized
    return this.#node('Clip', `${name}.relu${number}`, [normalized, this.#limit('min', 0), this.#limit('max', 6)])
  }

  /** A bound of ReLU6: a scalar that all Clips share. */
  #limit(kind: 'min' | 'max', value: number): string {
    const name = `relu6.${kind}`
    return this.#editor.graph.initializers.has(name) ? name : this.#editor.addTensor(name, Tensor.scalar(value))
  }

  #zeros(name: string, shape: readonly number[]): string {
    const size = shape.reduce((product, dim) => product * dim, 1)
    return this.#editor.addTensor(name, Tensor.from('float32', shape, new Float32Array(size)))
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

function emptyModel(): Model {
  return {
    irVersion: 8,
    opsets: new Map([['', 18]]),
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
