// A quantised model in pieces, each between values that are known: what a piece makes of them is its own doing.
import type { TensorValue, ValueType } from '../../base/index.ts'
import {
  constantsOf,
  consumersOf,
  factsOf,
  inferTypes,
  intAttribute,
  integerFactsOf,
  isOp,
  type Model,
  type Node,
  nodeName,
  readsOf,
  type ValueInfo,
} from '../../onnx/index.ts'
import type { Values } from '../../runtime/index.ts'

/** The piece of a model that ends in a value. */
export interface Piece {
  /** A value that is cut, or an output of the model. */
  readonly value: string
  /** The nodes that make it of other cut values, in graph order. */
  readonly nodes: readonly Node[]
  /** Those of them that multiply with a weight. */
  readonly layers: readonly Node[]
  readonly isOutput: boolean
}

/** Types that an inner value may have to be read and fed. */
const readable: readonly string[] = ['float32', 'uint8', 'int8', 'uint16', 'int16', 'int32'] satisfies ValueType[]

/** Does anything of the model compute with integers, or may a runtime make it do so? */
export function hasIntegers(model: Model): boolean {
  const readsBlocks = blockReader(model)
  return model.graph.nodes.some((node) => isOp(node, 'QuantizeLinear') || isIntegerLayer(node) || readsBlocks(node))
}

/** Tells layers whose weight is blocks of codes behind DequantizeLinear: ONNX Runtime makes MatMulNBits of them. */
export function blockReader({ graph }: Model): (node: Node) => boolean {
  const blocks = new Set(
    graph.nodes
      .filter((node) => isOp(node, 'DequantizeLinear') && intAttribute(node, 'block_size', 0) > 0)
      .map((node) => node.outputs[0] ?? ''),
  )
  return (node) => factsOf(node).layer !== undefined && node.inputs.some((input) => blocks.has(input))
}

/**
 * Cuts the main graph behind every QuantizeLinear of a computed value, and behind every operator that computes with an integer weight
 * itself or may be made to.
 */
export function piecesOf(model: Model): Piece[] {
  const { graph } = model
  const constants = constantsOf(graph)
  const types = inferTypes(graph)
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const outputs = new Set(graph.outputs.map(({ name }) => name))
  const readsBlocks = blockReader(model)
  const isJunction = junctions(model)
  const cuts = new Set(
    graph.nodes.flatMap((node) => {
      const [value = ''] = node.outputs
      const quantizes = isOp(node, 'QuantizeLinear') && !constants(node.inputs[0])
      const dtype = types.get(value)?.dtype ?? 'float32'
      return (quantizes || isIntegerLayer(node) || readsBlocks(node) || isJunction(node)) &&
        readable.includes(dtype) &&
        !outputs.has(value)
        ? [value]
        : []
    }),
  )
  const order = new Map(graph.nodes.map((node, index) => [node, index]))
  return [...cuts, ...outputs].map((value): Piece => {
    const nodes = new Set<Node>()
    const open = [value]
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const node = makers.get(at)
      if (!node || nodes.has(node) || (at !== value && cuts.has(at))) continue
      nodes.add(node)
      open.push(...readsOf(node))
    }
    const sorted = [...nodes].sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0))
    const computed = (node: Node) => node.inputs.some((input) => input !== '' && !constants(input))
    const layers = sorted.filter((node) => isIntegerLayer(node) || (factsOf(node).layer && computed(node)))
    return { value, nodes: sorted, layers, isOutput: outputs.has(value) }
  })
}

/**
 * Tells where computed floats go two ways, as behind each residual sum of a transformer: without a cut there a piece would hold all layers before
 * it. What is quantised next, or was dequantised, belongs to a kernel and is left alone.
 */
function junctions({ graph }: Model): (node: Node) => boolean {
  const consumers = consumersOf(graph.nodes)
  const constants = constantsOf(graph)
  return (node) => {
    const readers = consumers.get(node.outputs[0] ?? '') ?? []
    if (readers.length < 2 || node.outputs.length > 1 || readers.some((each) => isOp(each, 'QuantizeLinear')))
      return false
    return isOp(node, 'Add') && !node.inputs.some((input) => constants(input))
  }
}

function isIntegerLayer(node: Node): boolean {
  return integerFactsOf(node)?.activations !== undefined
}

/** What a piece is called: its layers, or the operators that make something of numbers. */
export function nameOfPiece({ layers, nodes, value }: Piece): string {
  if (layers.length > 0) return layers.map(nodeName).join(', ')
  const work = nodes.filter((node) => !isOp(node, 'QuantizeLinear', 'DequantizeLinear'))
  return work.length > 0 ? nodeName(work.at(-1) ?? { ...work[0]! }) : value
}

/** Operators of a piece in short: "Conv", "Add + Relu". */
export function opsOfPiece({ layers, nodes }: Piece): string {
  const work = nodes.filter((node) => !isOp(node, 'QuantizeLinear', 'DequantizeLinear', 'Constant'))
  return [...new Set((layers.length > 0 ? layers : work).map(({ opType }) => opType))].slice(-3).join(' + ')
}

/** The model with the values of all pieces as outputs. */
export function watchedModel(model: Model, pieces: readonly Piece[]): Model {
  const types = inferTypes(model.graph)
  const inner = pieces.filter(({ isOutput }) => !isOutput)
  const more = inner.map(({ value }): ValueInfo => ({ name: value, dtype: types.get(value)?.dtype ?? 'float32' }))
  return { ...model, graph: { ...model.graph, outputs: [...model.graph.outputs, ...more] } }
}

/** The name under which a cut value is fed. */
const fedAs = (value: string) => `${value}/known`

/**
 * The model in pieces: every cut value is an output, and is fed to whoever reads it. Codes are fed as the numbers that they stand for, through
 * a QuantizeLinear of their own, so that the graph looks to ONNX Runtime's optimisers as quantised models do; their sizes are left open, since
 * an optimiser of version 1.30 ends the process when it learns more of them than the model says (a Slice in front of an LSTM).
 * @param known the cut values
 */
export function cutModel(model: Model, pieces: readonly Piece[], known: Values): Model {
  const watched = watchedModel(model, pieces)
  const makers = new Map(watched.graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const read = new Map<string, string>()
  const inputs: ValueInfo[] = []
  const again: Node[] = []
  for (const { value, isOutput } of pieces) {
    const { dims, dtype } = known[value] ?? {}
    if (isOutput || !dims || !dtype) continue
    const quantize = quantizeOf(model, makers.get(value))
    inputs.push({ name: fedAs(value), dtype: quantize ? 'float32' : dtype, shape: dims.map(() => null) })
    read.set(value, quantize ? `${value}/again` : fedAs(value))
    if (!quantize) continue
    const [, ...grid] = quantize.inputs
    again.push({ ...quantize, name: `${value}/again`, inputs: [fedAs(value), ...grid], outputs: [`${value}/again`] })
  }
  const nodes = watched.graph.nodes.map((node) =>
    node.inputs.some((input) => read.has(input))
      ? { ...node, inputs: node.inputs.map((input) => read.get(input) ?? input) }
      : node,
  )
  return {
    ...watched,
    graph: { ...watched.graph, nodes: [...again, ...nodes], inputs: [...watched.graph.inputs, ...inputs] },
  }
}

/** What the model in pieces is fed: the inputs of a sample, and the values at the cuts. */
export function feedsOfPieces(model: Model, pieces: readonly Piece[], inputs: Values, known: Values): Values {
  const constants = constantsOf(model.graph)
  const makers = new Map(model.graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const fed = pieces.flatMap(({ value, isOutput }): [string, TensorValue][] => {
    const codes = known[value]
    if (isOutput || !codes) return []
    const quantize = quantizeOf(model, makers.get(value))
    const scale = constants(quantize?.inputs[1])?.floats()[0]
    if (!quantize || scale === undefined) return [[fedAs(value), codes]]
    const zero = constants(quantize.inputs[2])?.numbers()[0] ?? 0
    const data = Float32Array.from(codes.data as ArrayLike<number>, (code) => Math.fround(code - zero) * scale)
    return [[fedAs(value), { dtype: 'float32', dims: codes.dims, data }]]
  })
  return { ...inputs, ...Object.fromEntries(fed) }
}

/** The QuantizeLinear with one scale that makes a value. */
function quantizeOf({ graph }: Model, node: Node | undefined): Node | undefined {
  if (!node || !isOp(node, 'QuantizeLinear')) return undefined
  const scale = constantsOf(graph)(node.inputs[1])
  return scale?.size === 1 && scale.dtype === 'float32' ? node : undefined
}
