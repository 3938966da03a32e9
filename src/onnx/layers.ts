// Layers: Conv, ConvTranspose, Gemm and MatMul with a constant weight. One view W[o, i, u] for all of them.
import { sizeOf } from '../base/index.ts'
import { floatAttribute, intAttribute } from './attributes.ts'
import { constantOf } from './edit.ts'
import { type Graph, isOp, type Model, type Node } from './model.ts'
import { factsOf, type LayerFacts } from './ops/index.ts'
import type { Shapes } from './shapes.ts'
import type { Tensor } from './tensor.ts'

/**
 * Where the elements of a weight lie, seen as W[o, i, u]: output channel, input channel inside the group, kernel position.
 * Element (o, i, u) is at `offset(o) + i·inputStride + u·positionStride`.
 */
export interface WeightView {
  readonly outputs: number
  readonly inputsPerGroup: number
  readonly positions: number
  readonly groups: number
  readonly inputStride: number
  readonly positionStride: number
  /** Axis of the tensor that holds the output channels (inside the group for a grouped ConvTranspose). */
  readonly outputAxis: number
  readonly offset: (output: number) => number
}

/** A node with a constant weight: the one view that all algorithms start from. */
export interface Layer {
  readonly name: string
  readonly node: Node
  /** How its operator multiplies. */
  readonly facts: LayerFacts
  readonly weightIndex: number
  readonly weight: Tensor
  readonly bias?: Tensor
  /** Factors of the product and of the bias; 1 where the operator has none. */
  readonly alpha: number
  readonly beta: number
  /** Absent for a MatMul weight of rank ≥ 3 or on the left: such a layer is only treated as a whole. */
  readonly view?: WeightView
}

/** A layer with a matrix or a kernel on the right. */
export interface ViewedLayer extends Layer {
  readonly view: WeightView
}

/** The value that a layer multiplies with its weight. */
export function dataInput({ node, weightIndex }: Layer): string {
  return node.inputs[weightIndex === 0 ? 1 : 0] ?? ''
}

/** Does something else than a constant come in where the bias goes? */
export function hasOpenBias({ node, facts, bias }: Layer): boolean {
  return facts.bias !== undefined && (node.inputs[facts.bias] ?? '') !== '' && !bias
}

/** Name of a node for people: its own, or that of its first output. */
export function nodeName(node: Node): string {
  return node.name !== '' ? node.name : (node.outputs[0] ?? node.opType)
}

/** Constants of a graph: initialisers, Constant nodes, and either behind Identity. */
export function constantsOf(graph: Graph): (value: string | undefined) => Tensor | undefined {
  const producers = new Map<string, Node>()
  for (const node of graph.nodes) if (isOp(node, 'Constant', 'Identity')) producers.set(node.outputs[0] ?? '', node)
  const lookUp = (value: string | undefined): Tensor | undefined => {
    if (!value) return undefined
    const tensor = graph.initializers.get(value)
    if (tensor) return tensor
    const node = producers.get(value)
    if (!node) return undefined
    return isOp(node, 'Constant') ? constantOf(node) : lookUp(node.inputs[0])
  }
  return lookUp
}

/** The layers of the main graph, in graph order. */
export function layersOf(model: Model): Layer[] {
  const constants = constantsOf(model.graph)
  const layers: Layer[] = []
  for (const node of model.graph.nodes) {
    const layer = layerOf(node, constants)
    if (layer) layers.push(layer)
  }
  return layers
}

/** The layer that a node is, or undefined when it has no constant weight. */
export function layerOf(node: Node, constants: (value: string | undefined) => Tensor | undefined): Layer | undefined {
  const facts = factsOf(node).layer
  if (!facts) return undefined
  let weightIndex = facts.weight
  let weight = constants(node.inputs[weightIndex])
  if (!weight && facts.eitherSide) {
    weightIndex = 0
    weight = constants(node.inputs[0])
    if (weight && constants(node.inputs[1])) return undefined
  }
  if (!weight || (weightIndex === 1 && constants(node.inputs[0]))) return undefined
  const bias = facts.bias === undefined ? undefined : constants(node.inputs[facts.bias])
  const view = weightIndex === facts.weight ? viewOf(node, facts, weight) : undefined
  const [alpha, beta] = facts.scaled ? [floatAttribute(node, 'alpha', 1), floatAttribute(node, 'beta', 1)] : [1, 1]
  const parts = { name: nodeName(node), node, facts, weightIndex, weight, alpha, beta }
  return { ...parts, ...(bias ? { bias } : {}), ...(view ? { view } : {}) }
}

function viewOf(node: Node, { window, scaled }: LayerFacts, weight: Tensor): WeightView | undefined {
  const { shape } = weight
  const groups = intAttribute(node, 'group', 1)
  if (window === 'gathers') {
    const [outputs = 0, inputsPerGroup = 0, ...kernel] = shape
    const positions = sizeOf(kernel)
    return {
      outputs,
      inputsPerGroup,
      positions,
      groups,
      inputStride: positions,
      positionStride: 1,
      outputAxis: 0,
      offset: (output) => output * inputsPerGroup * positions,
    }
  }
  if (window === 'spreads') {
    const [inputs = 0, perGroup = 0, ...kernel] = shape
    const positions = sizeOf(kernel)
    const inputsPerGroup = inputs / groups
    return {
      outputs: perGroup * groups,
      inputsPerGroup,
      positions,
      groups,
      inputStride: perGroup * positions,
      positionStride: 1,
      outputAxis: 1,
      offset: (output) => {
        const group = Math.floor(output / perGroup)
        return (group * inputsPerGroup * perGroup + (output % perGroup)) * positions
      },
    }
  }
  if (shape.length !== 2) return undefined
  const transposed = scaled === true && intAttribute(node, 'transB', 0) === 1
  const [rows = 0, columns = 0] = shape
  const outputs = transposed ? rows : columns
  const inputs = transposed ? columns : rows
  return {
    outputs,
    inputsPerGroup: inputs,
    positions: 1,
    groups: 1,
    inputStride: transposed ? 1 : columns,
    positionStride: 1,
    outputAxis: transposed ? 0 : 1,
    offset: (output) => (transposed ? output * columns : output),
  }
}

/** Is each output channel made from one input channel alone? */
export function isDepthwise(layer: Layer): boolean {
  return layer.view !== undefined && layer.view.groups > 1 && layer.view.inputsPerGroup === 1
}

/** Per output channel minimum, mean and maximum of a weight. */
export interface ChannelRanges {
  readonly min: Float64Array
  readonly mean: Float64Array
  readonly max: Float64Array
}

/** Ranges of each output channel of a layer's weight. */
export function channelRanges(layer: Layer): ChannelRanges | undefined {
  const { view, weight } = layer
  if (!view) return undefined
  const values = weight.floats()
  const min = new Float64Array(view.outputs)
  const mean = new Float64Array(view.outputs)
  const max = new Float64Array(view.outputs)
  for (let o = 0; o < view.outputs; o++) {
    const base = view.offset(o)
    let low = Number.POSITIVE_INFINITY
    let high = Number.NEGATIVE_INFINITY
    let sum = 0
    for (let i = 0; i < view.inputsPerGroup; i++) {
      const start = base + i * view.inputStride
      for (let u = 0; u < view.positions; u++) {
        const value = values[start + u * view.positionStride] ?? 0
        if (value < low) low = value
        if (value > high) high = value
        sum += value
      }
    }
    min[o] = low
    max[o] = high
    mean[o] = sum / (view.inputsPerGroup * view.positions)
  }
  return { min, mean, max }
}

/**
 * Largest ÷ median range (max − min) of a layer's output channels; channels below a millionth of the median are left out
 * as dead. Above about 8, one scale for the whole weight loses the small channels.
 */
export function rangeSpread(ranges: ChannelRanges): number {
  const widths = Array.from(ranges.min, (low, o) => (ranges.max[o] ?? 0) - low).sort((a, b) => a - b)
  const middle = (list: readonly number[]) => {
    const half = list.length / 2
    return list.length % 2 === 1 ? (list[Math.floor(half)] ?? 0) : ((list[half - 1] ?? 0) + (list[half] ?? 0)) / 2
  }
  const alive = widths.filter((width) => width >= 1e-6 * middle(widths) && width > 0)
  if (alive.length === 0) return 1
  return (alive[alive.length - 1] ?? 0) / middle(alive)
}

/** Multiply-accumulates of a layer for one run at the observed shapes, or undefined when they are unknown. */
export function macsOf(layer: Layer, shapes: Shapes): number | undefined {
  const input = shapes.get(dataInput(layer))?.dims
  const output = shapes.get(layer.node.outputs[0] ?? '')?.dims
  if (!input || !output) return undefined
  const { view } = layer
  if (!view) return (layer.weight.shape.at(-2) ?? 1) * sizeOf(output)
  const points =
    layer.facts.window === 'spreads'
      ? sizeOf(input) / (view.inputsPerGroup * view.groups)
      : sizeOf(output) / view.outputs
  return points * view.outputs * view.inputsPerGroup * view.positions
}
