// A quantised model as AIMET has it: a float model, and the grids beside it. Weights are what their codes stand for, so that
// quantising them on their grids gives the codes again.
import { dequantize, type QuantParams, quantize, unpackNibbles } from '../../math/index.ts'
import { GraphEditor, isOp, type Layer, layersOf, type Model, type Node, nodeName, Tensor } from '../../onnx/index.ts'
import { type LayerSlots, slotsOf } from '../correct/slots.ts'
import type { Plan } from '../plan.ts'
import type { Encoding } from './encoding.ts'

export interface EncodedModel {
  readonly model: Model
  readonly encodings: readonly Encoding[]
}

/** What a model is made of. */
interface Parts {
  /** The float model that was placed. */
  readonly float: Model
  /** Its Q/DQ form, corrections included. */
  readonly quantized: Model
  readonly plan: Plan
}

/**
 * The float model behind a Q/DQ model, and the grid of every value, weight, table and bias in it.
 * @param given a model whose layers have the names that weights and biases shall have again
 */
export function encodedModel({ float, quantized, plan }: Parts, given: Model): EncodedModel {
  const writer = new Writer(float, given)
  const codes = new Codes(quantized)
  const encodings: Encoding[] = Array.from(plan.activations, ([name, { params }]) => ({
    ...encodingOf(name, params),
    kind: 'activation',
  }))
  for (const slots of slotsOf(quantized).values()) {
    const weight = codes.read(slots.codes)
    if (!weight) continue
    const bits = (plan.weightBits.get(slots.name) ?? 8) <= 4 ? 4 : 8
    const name = writer.weight(slots, weight.values)
    if (name) encodings.push({ ...aroundZero(name, weight, bits), kind: 'parameter' })
    if (!slots.bias) continue
    if ('float' in slots.bias) {
      writer.constant(slots.bias.float, quantized.graph.initializers.get(slots.bias.float))
      continue
    }
    const bias = codes.read(slots.bias.codes)
    const biasName = bias && writer.bias(slots, bias.values)
    if (biasName) encodings.push({ ...aroundZero(biasName, bias, 32), kind: 'parameter' })
  }
  for (const [gather, params] of plan.embeddings) {
    const name = writer.table(gather, params)
    if (name) encodings.push({ ...encodingOf(name, params), kind: 'parameter' })
  }
  const once = new Map(encodings.map((each) => [each.name, each]))
  return { model: writer.finish(), encodings: [...once.values()] }
}

/** Scales in JSON are float64: those of float32 go over as they are. */
function encodingOf(name: string, { dtype, scale, zeroPoint, axis }: QuantParams): Encoding {
  const bits = Number(dtype.replace(/^u?int/, ''))
  const channels = axis === undefined ? {} : { axis }
  return { name, bits, signed: !dtype.startsWith('u'), scale: [...scale], zeroPoint: [...zeroPoint], ...channels }
}

const aroundZero = (name: string, { scale, axis }: Read, bits: number): Encoding => ({
  name,
  bits,
  signed: true,
  scale,
  zeroPoint: scale.map(() => 0),
  ...(axis === undefined ? {} : { axis }),
})

/** Codes of a model and what they stand for. */
interface Read {
  readonly values: Tensor
  readonly scale: readonly number[]
  readonly axis: number | undefined
}

/** Constants behind DequantizeLinear. */
class Codes {
  readonly #model: Model
  readonly #readers: ReadonlyMap<string, Node>

  constructor(model: Model) {
    this.#model = model
    const readers = model.graph.nodes.filter((node) => isOp(node, 'DequantizeLinear'))
    this.#readers = new Map(readers.map((node) => [node.inputs[0] ?? '', node]))
  }

  read(name: string): Read | undefined {
    const { initializers } = this.#model.graph
    const reader = this.#readers.get(name)
    const [codes, scale, zero] = (reader?.inputs ?? []).map((input) => initializers.get(input))
    if (!reader || !codes || !scale) return undefined
    const channels = scale.size > 1 || scale.shape.length > 0
    const axis = channels ? axisOf(reader, codes) : undefined
    const numbers = codesOf(codes)
    const shift = zero ? (codesOf(zero)[0] ?? 0) : 0
    const run = axis === undefined ? numbers.length : sliceOf(codes.shape, axis)
    const steps = scale.floats()
    const values = Float32Array.from(
      numbers,
      (code, i) => (code - shift) * (steps[Math.floor(i / run) % steps.length] ?? 1),
    )
    return { values: Tensor.from('float32', codes.shape, values), scale: [...steps], axis }
  }
}

const codesOf = (tensor: Tensor): Int32Array =>
  Int32Array.from(tensor.dtype === 'int4' ? unpackNibbles(tensor.bytes, 'int4', tensor.size) : tensor.values(), Number)

const sliceOf = (shape: readonly number[], axis: number) => shape.slice(axis + 1).reduce((a, b) => a * b, 1)

function axisOf(node: Node, { shape }: Tensor): number {
  const axis = node.attributes.get('axis')
  const value = axis?.type === 'int' ? Number(axis.value) : 1
  return value < 0 ? value + shape.length : value
}

/** Where a layer reads a constant, the codes that it stands for, and the name that it had. */
interface ConstantSlot {
  readonly index: number
  readonly codes: string
  readonly givenName: string | undefined
}

/** Puts constants into the float model. */
class Writer {
  readonly #editor: GraphEditor
  readonly #layers: ReadonlyMap<string, Layer>
  readonly #given: ReadonlyMap<string, Layer>
  readonly #nodes: ReadonlyMap<string, Node>
  /** Codes that several layers read → the constant that holds what they stand for. */
  readonly #known = new Map<string, string>()

  constructor(float: Model, given: Model) {
    this.#editor = new GraphEditor(float)
    this.#layers = new Map(layersOf(float).map((layer) => [layer.name, layer]))
    this.#given = new Map(layersOf(given).map((layer) => [layer.name, layer]))
    this.#nodes = new Map(this.#editor.nodes().map((node) => [nodeName(node), node]))
  }

  finish(): Model {
    return this.#editor.finish()
  }

  weight({ name, codes }: LayerSlots, values: Tensor): string | undefined {
    const [layer, known] = [this.#layers.get(name), this.#given.get(name)]
    return (
      layer &&
      this.#set(name, { index: layer.weightIndex, codes, givenName: known?.node.inputs[known.weightIndex] }, values)
    )
  }

  bias({ name, bias }: LayerSlots, values: Tensor): string | undefined {
    const [layer, known] = [this.#layers.get(name), this.#given.get(name)]
    const [index, codes] = [layer?.facts.bias, bias && 'codes' in bias ? bias.codes : undefined]
    if (index === undefined || codes === undefined) return undefined
    const named = known?.facts.bias === undefined ? undefined : known.node.inputs[known.facts.bias]
    return this.#set(name, { index, codes, givenName: named || undefined }, values)
  }

  table(gather: string, params: QuantParams): string | undefined {
    const name = this.#nodes.get(gather)?.inputs[0] ?? ''
    const table = this.#editor.graph.initializers.get(name)
    if (!table) return undefined
    const values = dequantize(quantize(table.floats(), params, table.shape, true), params, table.shape)
    this.constant(name, Tensor.from('float32', table.shape, values))
    return name
  }

  /** A constant under the name that it has. */
  constant(name: string, values: Tensor | undefined): void {
    if (values) this.#editor.graph.initializers.set(name, values)
  }

  #set(name: string, { index, codes, givenName }: ConstantSlot, values: Tensor): string | undefined {
    const [editor, node] = [this.#editor, this.#nodes.get(name)]
    if (!node) return undefined
    const old = node.inputs[index] ?? ''
    const known = this.#known.get(codes)
    const hint = givenName ?? old
    const alone = editor.graph.initializers.has(old) && editor.uses(old) === 1
    const place = known ?? (hint === old && alone ? old : editor.freshName(hint))
    editor.graph.initializers.set(place, values)
    editor.setInput(node, index, place)
    this.#known.set(codes, place)
    return place
  }
}
