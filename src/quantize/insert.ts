// Writes a plan into the model: Q/DQ pairs, int8 weights, int32 biases. The result is the file and the simulation.
import type { ValueType } from '../base/index.ts'
import { codeRange, type QuantParams, quantize, roundToEven } from '../math/index.ts'
import {
  type Bounds,
  factsOf,
  GraphEditor,
  intAttr,
  isOp,
  type Layer,
  type Model,
  type Node,
  nodeName,
  Tensor,
} from '../onnx/index.ts'
import { insertEmbedding } from './embeddings.ts'
import type { Plan } from './plan.ts'

/** Inserts Q/DQ for a plan made for this very model. */
export function insertQdq(model: Model, plan: Plan): Model {
  const inserter = new Inserter(model)
  const { caps, tensors, apart } = plan.placement
  const capped = new Set([...caps.values()].map((node) => node.outputs[0] ?? ''))
  for (const [value, { params }] of plan.activations) {
    const cap = caps.get(value)
    if (cap) inserter.cap(value, cap, params)
    else if (!capped.has(value)) inserter.activation(value, params, tensors.get(value)?.integerProducer ?? false, plan)
  }
  for (const [node, params] of plan.weights) {
    const layer = plan.placement.layers.get(node)
    if (layer) inserter.layer(layer, params, plan.activations.get(node.inputs[0] ?? '')?.params)
  }
  for (const [node, params] of plan.embeddings) {
    const table = plan.placement.embeddings.get(node)
    if (table) inserter.embedding(node, table, params)
  }
  for (const [node, params] of plan.stored) {
    const layer = plan.placement.stored.get(node)
    if (layer) inserter.layer(layer, params, undefined)
  }
  for (const [node, bounds] of apart) inserter.apart(node, bounds)
  if (plan.placement.target.fusion.takesFloatLayers) inserter.protectFloatLayers()
  for (const node of plan.placement.shielded) inserter.shield(node)
  for (const [node, names] of plan.placement.surplus) inserter.without(node, names)
  return inserter.finish()
}

/** Weight-only quantisation: int8 weights behind DQ, tables of codes, everything else float. */
export function insertWeights(
  model: Model,
  weights: ReadonlyMap<Layer, QuantParams>,
  rows: ReadonlyMap<Node, QuantParams> = new Map(),
  embeddings: ReadonlyMap<Node, Tensor> = new Map(),
): Model {
  const inserter = new Inserter(model)
  for (const [layer, params] of weights) inserter.layer(layer, params, undefined)
  for (const [node, table] of embeddings) {
    const params = rows.get(node)
    if (params) inserter.embedding(node, table, params)
  }
  return inserter.finish()
}

class Inserter {
  readonly #editor: GraphEditor
  /** The editor works on a copy: nodes of the model given → nodes of the copy, by output name. */
  readonly #byOutput = new Map<string, Node>()
  readonly #weights = new Map<Tensor, { params: QuantParams; names: readonly string[] }[]>()
  readonly #integerConsumers = new Map<string, Set<Node>>()

  constructor(model: Model) {
    this.#editor = new GraphEditor(model)
    for (const node of this.#editor.nodes()) for (const output of node.outputs) this.#byOutput.set(output, node)
  }

  finish(): Model {
    return this.#editor.finish()
  }

  /** One Q/DQ pair for a tensor. Behind an integer operator all consumers move behind it, elsewhere only integer ones. */
  activation(value: string, params: QuantParams, moveAll: boolean, plan: Plan): void {
    const editor = this.#editor
    const consumers = editor.consumers(value)
    const integer = this.#integerConsumersOf(value, plan)
    // Sub-graphs read a captured value by its name, as the outside reads a graph output.
    const isOutput = editor.isOutput(value) || editor.isCaptured(value)
    const producer = editor.producer(value)
    let source = value
    if (isOutput && moveAll && producer) {
      // The graph output must show what consumers see: the pair takes its name over.
      source = editor.freshName(`${value}/float`)
      editor.setOutput(producer, producer.outputs.indexOf(value), source)
    }
    const behind = source === value ? editor.freshName(`${value}/dq`) : value
    const scale = editor.addTensor(`${value}/scale`, grid(params.scale, params, 'float32'))
    const zero = editor.addTensor(`${value}/zero_point`, grid(params.zeroPoint, params, params.dtype))
    const codes = editor.freshName(`${value}/q`)
    const name = producer ? nodeName(producer) : value
    editor.addNode({ opType: 'QuantizeLinear', name: `${name}/q`, inputs: [source, scale, zero], outputs: [codes] })
    editor.addNode({ opType: 'DequantizeLinear', name: `${name}/dq`, inputs: [codes, scale, zero], outputs: [behind] })
    if (behind === value) return
    for (const consumer of consumers) {
      if (!moveAll && !integer.has(consumer)) continue
      for (let i = 0; i < consumer.inputs.length; i++)
        if (consumer.inputs[i] === value) editor.setInput(consumer, i, behind)
    }
  }

  /** Q, an integer Min with a bound for each channel, DQ: a bound in float between the operator and Q would stop its fusion. */
  cap(value: string, node: Node, params: QuantParams): void {
    const editor = this.#editor
    const output = node.outputs[0] ?? ''
    const own = this.#byOutput.get(output)
    const constant = editor.constant(node.inputs.find((name) => name !== value))
    if (!own || !constant) return
    editor.removeNode(own)
    const { high, low } = codeRange(params.dtype)
    const [scale = 1, zero = 0] = [params.scale[0], params.zeroPoint[0]]
    const caps = Array.from(constant.floats(), (cap) =>
      Math.min(Math.max(roundToEven(Math.fround(cap / scale)) + zero, low), high),
    )
    const name = nodeName(node)
    const inputs = [
      editor.addTensor(`${value}/scale`, grid(params.scale, params, 'float32')),
      editor.addTensor(`${value}/zero_point`, grid(params.zeroPoint, params, params.dtype)),
    ]
    let codes = editor.freshName(`${value}/q`)
    editor.addNode({ opType: 'QuantizeLinear', name: `${name}/q`, inputs: [value, ...inputs], outputs: [codes] })
    // Saturation does what a cap at the highest code would do.
    if (caps.some((cap) => cap < high)) {
      const bound = editor.addTensor(`${value}/cap`, Tensor.from(params.dtype as 'uint8', constant.shape, caps))
      const held = editor.freshName(`${value}/capped`)
      editor.addNode({ opType: 'Min', name, inputs: [codes, bound], outputs: [held] })
      codes = held
    }
    editor.addNode({ opType: 'DequantizeLinear', name: `${name}/dq`, inputs: [codes, ...inputs], outputs: [output] })
  }

  /** A Gather of the copy picks rows of codes. */
  embedding(node: Node, table: Tensor, params: QuantParams): void {
    const own = this.#byOutput.get(node.outputs[0] ?? '')
    if (own) insertEmbedding(this.#editor, own, table, params)
  }

  /** An activation as Max and Min with its bounds: the same function, which nothing is fused with in float. */
  apart(activation: Node, { low, high }: Bounds): void {
    const editor = this.#editor
    const node = this.#byOutput.get(activation.outputs[0] ?? '')
    if (!node) return
    const [input = '', output = ''] = [node.inputs[0], node.outputs[0]]
    const steps = [
      { opType: 'Max', bound: low },
      { opType: 'Min', bound: high },
    ].filter(({ bound }) => Number.isFinite(bound))
    if (steps.length === 0) return
    const name = nodeName(node)
    editor.removeNode(node)
    let value = input
    for (const [index, { opType, bound }] of steps.entries()) {
      const last = index === steps.length - 1
      const limit = editor.addTensor(`${name}/${opType === 'Max' ? 'low' : 'high'}`, Tensor.scalar(bound))
      const next = last ? output : editor.freshName(`${output}/${opType}`)
      editor.addNode({ opType, name: last ? name : `${name}/${opType}`, inputs: [value, limit], outputs: [next] })
      value = next
    }
  }

  /** int8 weight and int32 bias behind DQ; without the input's scale (weight-only) the bias stays float. */
  layer(layer: Layer, params: QuantParams, input: QuantParams | undefined): void {
    const node = this.#byOutput.get(layer.node.outputs[0] ?? '')
    if (!node) return
    const name = nodeName(layer.node)
    const names = this.#weightTensors(layer, params, name)
    const behind = this.#editor.freshName(`${name}/weight/dq`)
    const axis = params.axis === undefined ? {} : { axis: intAttr(params.axis) }
    this.#editor.addNode({ opType: 'DequantizeLinear', inputs: [...names], outputs: [behind], attributes: axis })
    this.#editor.setInput(node, layer.weightIndex, behind)
    if (layer.bias && input) this.#bias(node, layer.bias, params, input.scale[0] ?? 1, name)
  }

  /**
   * ONNX Runtime quantises a float weight itself, with one scale, when its layer stands between DQ and Q: they are kept apart.
   */
  protectFloatLayers(): void {
    const editor = this.#editor
    for (const node of editor.nodes()) {
      if (!factsOf(node).layer) continue
      const weight = node.inputs.findIndex((input) => editor.constant(input)?.dtype === 'float32')
      const data = weight === 0 ? 1 : 0
      const input = node.inputs[data] ?? ''
      if (weight === -1 || editor.producer(input)?.opType !== 'DequantizeLinear' || !this.#leadsToQuantize(node))
        continue
      this.#keepApart(node, data)
    }
  }

  /** Keeps ONNX Runtime from making an integer operator of a node that has none. */
  shield(node: Node): void {
    const own = this.#byOutput.get(node.outputs[0] ?? '')
    if (own && this.#editor.producer(own.inputs[0] ?? '')?.opType === 'DequantizeLinear') this.#keepApart(own, 0)
  }

  /** Takes attributes off an integer node. */
  without(node: Node, names: readonly string[]): void {
    const own = this.#byOutput.get(node.outputs[0] ?? '')
    for (const name of names) own?.attributes.delete(name)
  }

  /** A Max with the lowest float in front of an input: unlike Identity or a product with 1 it is not optimised away. */
  #keepApart(node: Node, index: number): void {
    const input = node.inputs[index] ?? ''
    const lowest = this.#editor.addTensor('onnxpress/lowest', Tensor.scalar(-3.4028234663852886e38))
    const kept = this.#editor.freshName(`${input}/kept`)
    this.#editor.addNode({ opType: 'Max', inputs: [input, lowest], outputs: [kept] })
    this.#editor.setInput(node, index, kept)
  }

  /** Is a node's output quantised, at once or behind its activation? */
  #leadsToQuantize(node: Node): boolean {
    return this.#editor
      .consumers(node.outputs[0] ?? '')
      .some(
        (consumer) =>
          isOp(consumer, 'QuantizeLinear') ||
          (isOp(consumer, 'Relu', 'Clip', 'Add') && this.#leadsToQuantize(consumer)),
      )
  }

  #bias(node: Node, bias: Tensor, params: QuantParams, inputScale: number, name: string): void {
    const values = bias.floats()
    const scale = params.scale.map((weight) => Math.fround(inputScale * weight))
    const codes = new Int32Array(values.length)
    for (let o = 0; o < codes.length; o++) {
      const code = roundToEven((values[o] ?? 0) / (scale[scale.length === 1 ? 0 : o] ?? 1))
      codes[o] = Math.min(Math.max(code, -(2 ** 31)), 2 ** 31 - 1)
    }
    const scalar = scale.length === 1
    const shape = scalar ? [] : [scale.length]
    const inputs = [
      this.#editor.addTensor(`${name}/bias/q`, Tensor.from('int32', [codes.length], codes)),
      this.#editor.addTensor(`${name}/bias/scale`, Tensor.from('float32', shape, scale)),
      this.#editor.addTensor(`${name}/bias/zero_point`, Tensor.from('int32', shape, new Int32Array(scale.length))),
    ]
    const behind = this.#editor.freshName(`${name}/bias/dq`)
    const attributes = scalar ? {} : { axis: intAttr(0) }
    this.#editor.addNode({ opType: 'DequantizeLinear', inputs, outputs: [behind], attributes })
    this.#editor.setInput(node, 2, behind)
  }

  /** A weight that several layers share is stored once. */
  #weightTensors(layer: Layer, params: QuantParams, name: string): readonly string[] {
    const same = (other: QuantParams) =>
      other.axis === params.axis &&
      other.scale.length === params.scale.length &&
      other.scale.every((s, i) => s === params.scale[i])
    const known = this.#weights.get(layer.weight)?.find((entry) => same(entry.params))
    if (known) return known.names
    const codes = quantize(layer.weight.floats(), params, layer.weight.shape, true)
    const dtype = codeRange(params.dtype).low < 0 ? 'int8' : 'uint8'
    const names = [
      this.#editor.addTensor(
        `${name}/weight/q`,
        Tensor.from(dtype, layer.weight.shape, codes as Int8Array & Uint8Array),
      ),
      this.#editor.addTensor(`${name}/weight/scale`, grid(params.scale, params, 'float32')),
      this.#editor.addTensor(`${name}/weight/zero_point`, grid(params.zeroPoint, params, dtype)),
    ]
    this.#weights.set(layer.weight, [...(this.#weights.get(layer.weight) ?? []), { params, names }])
    return names
  }

  /** Integer nodes (of the copy) that read a value of the original graph. */
  #integerConsumersOf(value: string, plan: Plan): Set<Node> {
    if (this.#integerConsumers.size === 0)
      for (const node of plan.placement.integer) {
        const copy = this.#byOutput.get(node.outputs[0] ?? '')
        if (!copy) continue
        for (const input of node.inputs)
          this.#integerConsumers.set(input, (this.#integerConsumers.get(input) ?? new Set()).add(copy))
      }
    return this.#integerConsumers.get(value) ?? new Set()
  }
}

/** Scalars have rank 0: ONNX Runtime does not fuse a grid whose scale has shape [1]. */
function grid(values: Float32Array | Int32Array, params: QuantParams, dtype: ValueType | QuantParams['dtype']): Tensor {
  const shape = params.axis === undefined ? [] : [values.length]
  return Tensor.from(dtype as 'float32', shape, Array.from(values))
}
