import { codeRange, type QuantParams, roundToEven } from '../math/index.ts'
import {
  type Bounds,
  GraphEditor,
  intAttr,
  type Layer,
  layersOf,
  type Model,
  type Node,
  nodeName,
  Tensor,
} from '../onnx/index.ts'
import { insertEmbedding } from './embeddings.ts'
import { keepApart, protectFloatLayers } from './float-layers.ts'
import { convertInputs, grid, gridTensors, insertConstant } from './insert-grids.ts'
import type { Plan } from './plan.ts'
import { codesOf } from './weight-codes.ts'

/** Inserts Q/DQ for a plan made for this model, or for one with the same nodes and values under the same names. */
export function insertQdq(model: Model, plan: Plan): Model {
  const inserter = new Inserter(model)
  const { caps, tensors, apart, target } = plan.placement
  const capped = new Set([...caps.values()].map((name) => inserter.outputOf(name)))
  for (const [value, { params }] of plan.activations) {
    const cap = caps.get(value)
    if (cap !== undefined) inserter.cap(value, cap, params)
    else if (tensors.get(value)?.constant) inserter.constant(value, params, plan)
    else if (!capped.has(value)) inserter.activation(value, params, tensors.get(value)?.integerProducer ?? false, plan)
  }
  if (target.oneType) inserter.convert(plan)
  for (const [name, params] of plan.weights) inserter.layer(name, params, plan.activations, target.biases)
  for (const [name, params] of plan.embeddings) inserter.embedding(name, params)
  for (const [name, params] of plan.stored) inserter.layer(name, params)
  for (const [name, bounds] of apart) inserter.apart(name, bounds)
  if (target.fusion.takesFloatLayers) inserter.protectFloatLayers()
  for (const name of plan.placement.shielded) inserter.shield(name)
  for (const [name, attributes] of plan.placement.surplus) inserter.without(name, attributes)
  return inserter.finish()
}

/**
 * Weight-only quantisation: int8 weights behind DQ, tables of codes, everything else float.
 * @param weights grids by the names of layers
 * @param rows grids of embeddings by the names of their Gather nodes
 */
export function insertWeights(
  model: Model,
  weights: ReadonlyMap<string, QuantParams>,
  rows: ReadonlyMap<string, QuantParams> = new Map(),
): Model {
  const inserter = new Inserter(model)
  for (const [name, params] of weights) inserter.layer(name, params)
  for (const [name, params] of rows) inserter.embedding(name, params)
  return inserter.finish()
}

class Inserter {
  readonly #editor: GraphEditor
  /** Nodes and layers of the model given, by name. */
  readonly #given: ReadonlyMap<string, Node>
  readonly #layers: ReadonlyMap<string, Layer>
  /** The editor works on a copy: its nodes, by the same names. */
  readonly #copies: ReadonlyMap<string, Node>
  readonly #weights = new Map<Tensor, { params: QuantParams; names: readonly string[] }[]>()
  /** Nodes whose first input was brought to another type. */
  #converted: ReadonlyMap<string, QuantParams> = new Map()
  readonly #integerConsumers = new Map<string, Set<Node>>()

  constructor(model: Model) {
    this.#editor = new GraphEditor(model)
    this.#given = new Map(model.graph.nodes.map((node) => [nodeName(node), node]))
    this.#layers = new Map(layersOf(model).map((layer) => [layer.name, layer]))
    this.#copies = new Map(this.#editor.nodes().map((node) => [nodeName(node), node]))
  }

  /** The first output of a node of the model given. */
  outputOf(name: string): string {
    return this.#given.get(name)?.outputs[0] ?? ''
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
    const inputs = gridTensors(editor, value, params)
    const codes = editor.freshName(`${value}/q`)
    const name = producer ? nodeName(producer) : value
    editor.addNode({ opType: 'QuantizeLinear', name: `${name}/q`, inputs: [source, ...inputs], outputs: [codes] })
    editor.addNode({ opType: 'DequantizeLinear', name: `${name}/dq`, inputs: [codes, ...inputs], outputs: [behind] })
    if (behind === value) return
    for (const consumer of consumers) {
      if (!moveAll && !integer.has(consumer)) continue
      for (let i = 0; i < consumer.inputs.length; i++)
        if (consumer.inputs[i] === value) editor.setInput(consumer, i, behind)
    }
  }

  /** A constant operand as codes behind DQ, for those that compute on codes. */
  constant(value: string, params: QuantParams, plan: Plan): void {
    insertConstant(this.#editor, value, params, this.#integerConsumersOf(value, plan))
  }

  /** Brings what an operator reads to the type of its result, where that is another one. */
  convert(plan: Plan): void {
    this.#converted = convertInputs(this.#editor, { given: this.#given, copies: this.#copies }, plan)
  }

  /** Q, an integer Min with a bound for each channel, DQ: a bound in float between the operator and Q would stop its fusion. */
  cap(value: string, name: string, params: QuantParams): void {
    const editor = this.#editor
    const output = this.outputOf(name)
    const own = this.#copies.get(name)
    const constant = editor.constant(this.#given.get(name)?.inputs.find((input) => input !== value))
    if (!own || !constant) return
    editor.removeNode(own)
    const { high, low } = codeRange(params.dtype)
    const [scale = 1, zero = 0] = [params.scale[0], params.zeroPoint[0]]
    const caps = Array.from(constant.floats(), (cap) =>
      Math.min(Math.max(roundToEven(Math.fround(cap / scale)) + zero, low), high),
    )
    const inputs = gridTensors(editor, value, params)
    let codes = editor.freshName(`${value}/q`)
    editor.addNode({ opType: 'QuantizeLinear', name: `${name}/q`, inputs: [value, ...inputs], outputs: [codes] })
    // Saturation does what a cap at the highest code would do.
    if (caps.some((cap) => cap < high)) {
      const bound = editor.addTensor(`${value}/cap`, Tensor.from(params.dtype as 'uint8', constant.shape, caps))
      const capped = editor.freshName(`${value}/capped`)
      editor.addNode({ opType: 'Min', name, inputs: [codes, bound], outputs: [capped] })
      codes = capped
    }
    editor.addNode({ opType: 'DequantizeLinear', name: `${name}/dq`, inputs: [codes, ...inputs], outputs: [output] })
  }

  /** A Gather of the copy picks rows of codes. */
  embedding(name: string, params: QuantParams): void {
    const own = this.#copies.get(name)
    const table = this.#editor.model.graph.initializers.get(own?.inputs[0] ?? '')
    if (own && table) insertEmbedding(this.#editor, own, table, params)
  }

  /** An activation as Max and Min with its bounds: the same function, which nothing is fused with in float. */
  apart(name: string, { low, high }: Bounds): void {
    const editor = this.#editor
    const node = this.#copies.get(name)
    if (!node) return
    const [input = '', output = ''] = [node.inputs[0], node.outputs[0]]
    const steps = [
      { opType: 'Max', bound: low },
      { opType: 'Min', bound: high },
    ].filter(({ bound }) => Number.isFinite(bound))
    if (steps.length === 0) return
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
  layer(name: string, params: QuantParams, activations?: Plan['activations'], biases = 'int32'): void {
    const [layer, node] = [this.#layers.get(name), this.#copies.get(name)]
    if (!layer || !node) return
    const input = this.#converted.get(name) ?? activations?.get(layer.node.inputs[0] ?? '')?.params
    const names = this.#weightTensors(layer, params, name)
    const behind = this.#editor.freshName(`${name}/weight/dq`)
    const axis = params.axis === undefined ? {} : { axis: intAttr(params.axis) }
    this.#editor.addNode({ opType: 'DequantizeLinear', inputs: [...names], outputs: [behind], attributes: axis })
    this.#editor.setInput(node, layer.weightIndex, behind)
    if (!layer.bias || !input || biases !== 'int32') return
    const scale = params.scale.map((weight) => (input.scale[0] ?? 1) * weight)
    this.#bias(node, name, layer.bias, scale)
  }

  /** Keeps ONNX Runtime from quantising the weights of float layers between DQ and Q. */
  protectFloatLayers(): void {
    protectFloatLayers(this.#editor)
  }

  /** Keeps ONNX Runtime from making an integer operator of a node that has none. */
  shield(name: string): void {
    const own = this.#copies.get(name)
    if (own && this.#editor.producer(own.inputs[0] ?? '')?.opType === 'DequantizeLinear')
      keepApart(this.#editor, own, 0)
  }

  /** Takes attributes off an integer node. */
  without(name: string, attributes: readonly string[]): void {
    const own = this.#copies.get(name)
    for (const attribute of attributes) own?.attributes.delete(attribute)
  }

  #bias(node: Node, name: string, bias: Tensor, scale: Float32Array): void {
    const values = bias.floats()
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
    const dtype = codeRange(params.dtype).low < 0 ? 'int8' : 'uint8'
    const names = [
      this.#editor.addTensor(`${name}/weight/q`, codesOf(layer.weight, dtype, params)),
      this.#editor.addTensor(`${name}/weight/scale`, grid(params.scale, params, 'float32')),
      this.#editor.addTensor(`${name}/weight/zero_point`, grid(params.zeroPoint, params, dtype)),
    ]
    this.#weights.set(layer.weight, [...(this.#weights.get(layer.weight) ?? []), { params, names }])
    return names
  }

  /** Integer nodes (of the copy) that read a value of the original graph. */
  #integerConsumersOf(value: string, plan: Plan): Set<Node> {
    if (this.#integerConsumers.size === 0)
      for (const name of plan.placement.integer) {
        const copy = this.#copies.get(name)
        if (!copy) continue
        for (const input of this.#given.get(name)?.inputs ?? [])
          this.#integerConsumers.set(input, (this.#integerConsumers.get(input) ?? new Set()).add(copy))
      }
    return this.#integerConsumers.get(value) ?? new Set()
  }
}
