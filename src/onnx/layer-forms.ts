// What a file stores its layers as: shape and bits of each weight, one scale or many, and what the layer reads.
import { intAttribute } from './attributes.ts'
import { byteLengthOf, type DType, isFloat } from './dtype.ts'
import { dataInput, layerOf, nodeName } from './layers.ts'
import { type Graph, isOp, type Model, type Node, subgraphsOf } from './model.ts'
import { ConstantSources } from './ops/constant-sources.ts'
import { factsOf } from './ops/index.ts'
import { integerFactsOf } from './ops/quantized.ts'
import type { Tensor } from './tensor.ts'
import { inferTypes } from './types.ts'
import type { ValueType } from './value-type.ts'

/** A layer as a file has it, float or quantised. */
export interface LayerForm {
  readonly name: string
  readonly op: string
  /** Of the weight. */
  readonly shape: readonly number[]
  readonly weight: {
    readonly dtype: DType
    /** Bits that a weight needs: 4 for 4-bit codes that are stored in bytes. */
    readonly bits: number
    /** How many weights share a scale; absent for floats, and where it is not known. */
    readonly grid?: 'per-tensor' | 'per-channel' | `blocks of ${number}`
  }
  /** Type of what it reads; "dynamic": codes that are made anew in each run. */
  readonly activations: DType | 'dynamic'
  /** Do integers meet integers? Whether a runtime has a kernel for it is another question. */
  readonly integer: boolean
}

/** The layers of a model in graph order, those of sub-graphs behind the node that holds them. */
export function layerFormsOf(model: Model): LayerForm[] {
  const forms: LayerForm[] = []
  const visit = (graph: Graph, outer: ConstantSources | undefined, around: TypeOf): void => {
    const sources = new ConstantSources(graph, outer)
    const types = inferTypes(graph, around)
    const typeOf: TypeOf = (value) => types.get(value) ?? around(value)
    const reader = new Reader(graph, sources, typeOf)
    for (const node of graph.nodes) {
      const form = reader.operator(node) ?? reader.layer(node)
      if (form) forms.push(form)
      for (const inner of subgraphsOf(node)) visit(inner, sources, typeOf)
    }
  }
  visit(model.graph, undefined, () => undefined)
  return forms
}

type TypeOf = (value: string) => ValueType | undefined

/** Reads the layers of one graph. */
class Reader {
  readonly #sources: ConstantSources
  readonly #typeOf: TypeOf
  readonly #producers = new Map<string, Node>()

  constructor(graph: Graph, sources: ConstantSources, typeOf: TypeOf) {
    this.#sources = sources
    this.#typeOf = typeOf
    for (const node of graph.nodes) for (const output of node.outputs) this.#producers.set(output, node)
  }

  /** A node that computes with integer weights itself. */
  operator(node: Node): LayerForm | undefined {
    const facts = integerFactsOf(node)
    const weight = facts?.activations === undefined ? undefined : this.#constant(node.inputs[facts.weight])
    if (!facts || !weight) return undefined
    const { activations } = facts
    const [rows, columns] = [intAttribute(node, 'K', 0), intAttribute(node, 'N', 0)]
    const bits = intAttribute(node, 'bits', facts.bits ?? 0) || bitsOfCodes(weight)
    const scale = facts.scale === undefined ? undefined : this.#constant(node.inputs[facts.scale])
    return {
      name: nodeName(node),
      op: node.opType,
      // Blocks are packed: the shape of what is stored is not that of the weight.
      shape: rows > 0 && columns > 0 ? [rows, columns] : weight.shape,
      weight: { dtype: weight.dtype, bits, ...gridOf(scale, node) },
      activations:
        typeof activations === 'number'
          ? (this.#constant(node.inputs[activations])?.dtype ?? 'uint8')
          : activations === 'float'
            ? 'float32'
            : 'dynamic',
      integer: activations !== 'float',
    }
  }

  /** A float operator, whose weight may be codes behind DequantizeLinear. */
  layer(node: Node): LayerForm | undefined {
    if (!factsOf(node).layer) return undefined
    const layer = layerOf(node, (value) => this.#constant(value))
    const source = layer && this.#sources.source(node.inputs[layer.weightIndex])
    if (!layer || !source) return undefined
    const { tensor, dequantize } = source
    const read = this.#readAs(dataInput(layer))
    const scale = dequantize && this.#constant(dequantize.inputs[1])
    return {
      name: layer.name,
      op: node.opType,
      shape: tensor.shape,
      weight: {
        dtype: tensor.dtype,
        bits: dequantize ? bitsOfCodes(tensor) : (byteLengthOf(tensor.dtype, 8) ?? 0),
        ...(dequantize ? gridOf(scale, dequantize) : {}),
      },
      activations: read,
      integer: dequantize !== undefined && !isFloat(read),
    }
  }

  #constant(value: string | undefined): Tensor | undefined {
    return this.#sources.source(value)?.tensor
  }

  /** Type of the codes that a value is made of, whatever moved its elements since; its own type where there are none. */
  #readAs(value: string): DType {
    let at = value
    for (let node = this.#producers.get(at); node; node = this.#producers.get(at)) {
      at = node.inputs[0] ?? ''
      if (isOp(node, 'DequantizeLinear')) return this.#typeOf(at)?.dtype ?? 'uint8'
      if (!factsOf(node).movesData) break
    }
    return this.#typeOf(value)?.dtype ?? 'float32'
  }
}

function gridOf(scale: Tensor | undefined, node: Node): Pick<LayerForm['weight'], 'grid'> {
  const block = intAttribute(node, 'block_size', 0)
  if (block > 0) return { grid: `blocks of ${block}` }
  return scale ? { grid: scale.size === 1 ? 'per-tensor' : 'per-channel' } : {}
}

/** Bits of a type, or 4 where codes in bytes take no more than 16 values in a row. */
function bitsOfCodes({ dtype, bytes }: Tensor): number {
  const bits = byteLengthOf(dtype, 8) ?? 0
  if (dtype !== 'int8' && dtype !== 'uint8') return bits
  let [low, high] = [255, -128]
  for (const byte of bytes) {
    const code = dtype === 'int8' && byte > 127 ? byte - 256 : byte
    if (code < low) low = code
    if (code > high) high = code
    if (high - low > 15) return bits
  }
  return bytes.length > 16 ? 4 : bits
}
