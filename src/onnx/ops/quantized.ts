// Operators that multiply with integer weights, or pick rows of them: what a quantised model is made of.
import { constantOf } from '../edit.ts'
import { layerOf } from '../layers.ts'
import { type Graph, isOp, type Model, type Node, subgraphsOf } from '../model.ts'
import type { Tensor } from '../tensor.ts'
import { factsOf } from './index.ts'

/** Domain and operator → input that holds the integer weight. */
const integerWeights: Readonly<Record<string, number>> = {
  ':QLinearConv': 3,
  ':QLinearMatMul': 3,
  ':ConvInteger': 1,
  ':MatMulInteger': 1,
  'com.microsoft:QLinearConv': 3,
  'com.microsoft:QGemm': 3,
  'com.microsoft:QOrderedMatMul': 3,
  'com.microsoft:MatMulIntegerToFloat': 1,
  'com.microsoft:MatMulInteger16': 1,
  'com.microsoft:DynamicQuantizeMatMul': 1,
  'com.microsoft:DynamicQuantizeLSTM': 1,
  'com.microsoft:MatMulNBits': 1,
  'com.microsoft:MatMulBnb4': 1,
  'com.microsoft:MatMulFpQ4': 1,
  'com.microsoft:GemmFloat8': 1,
  'com.microsoft:QAttention': 1,
  'com.microsoft:QOrderedAttention': 1,
  'com.microsoft:QMoE': 2,
  'com.microsoft:GatherBlockQuantized': 0,
  'com.microsoft:QEmbedLayerNormalization': 2,
}

/** The input of a node that holds its integer weight; undefined for operators that have none. */
export function integerWeightOf(node: Node): number | undefined {
  return integerWeights[`${node.domain === 'ai.onnx' ? '' : node.domain}:${node.opType}`]
}

/** A node whose weight is integer already. */
export interface IntegerLayer {
  readonly node: Node
  /** Integers behind DequantizeLinear in front of a float operator, or an operator that computes with integers. */
  readonly form: 'dequantized' | 'operator'
  readonly elements: number
}

/** The weighted nodes of a model, sub-graphs included: with integer weights, and with float ones. */
export interface WeightForms {
  readonly integer: readonly IntegerLayer[]
  readonly float: readonly { readonly node: Node; readonly elements: number }[]
}

/** Sorts the layers of a model by what their weights are. */
export function weightFormsOf(model: Model): WeightForms {
  const integer: IntegerLayer[] = []
  const float: { node: Node; elements: number }[] = []
  const visit = (graph: Graph, outer: Scope): void => {
    const scope = new Scope(graph, outer)
    for (const node of graph.nodes) {
      const at = integerWeightOf(node)
      const weight = at === undefined ? undefined : scope.source(node.inputs[at])
      if (weight) integer.push({ node, form: 'operator', elements: weight.tensor.size })
      else if (factsOf(node).layer) {
        const layer = layerOf(node, (value) => scope.source(value)?.tensor)
        const found = layer && scope.source(node.inputs[layer.weightIndex])
        if (!found) continue
        const { size } = found.tensor
        if (found.dequantized) integer.push({ node, form: 'dequantized', elements: size })
        else float.push({ node, elements: size })
      }
      for (const inner of subgraphsOf(node)) visit(inner, scope)
    }
  }
  visit(model.graph, new Scope(undefined, undefined))
  return { integer, float }
}

interface Source {
  readonly tensor: Tensor
  readonly dequantized: boolean
}

/** The constants that values go back to, through nodes that read nothing else. */
class Scope {
  readonly #graph: Graph | undefined
  readonly #outer: Scope | undefined
  readonly #producers = new Map<string, Node>()
  readonly #known = new Map<string, Source | undefined>()

  constructor(graph: Graph | undefined, outer: Scope | undefined) {
    this.#graph = graph
    this.#outer = outer
    for (const node of graph?.nodes ?? []) for (const output of node.outputs) this.#producers.set(output, node)
  }

  /** The largest constant behind a value, when it depends on constants alone; and whether DequantizeLinear is on the way. */
  source(value: string | undefined): Source | undefined {
    if (!value) return undefined
    if (!this.#known.has(value)) this.#known.set(value, this.#find(value))
    return this.#known.get(value)
  }

  #find(value: string): Source | undefined {
    const tensor = this.#graph?.initializers.get(value)
    if (tensor) return { tensor, dequantized: false }
    const node = this.#producers.get(value)
    if (!node) return this.#outer?.source(value)
    const constant = isOp(node, 'Constant') ? constantOf(node) : undefined
    if (constant) return { tensor: constant, dequantized: false }
    // Attributes may hold graphs, which read who knows what; a random value is not a constant.
    if (subgraphsOf(node).length > 0) return undefined
    const inputs = node.inputs.filter((input) => input !== '')
    const sources = inputs.map((input) => this.source(input))
    const found = sources.flatMap((source) => source ?? [])
    if (found.length === 0 || found.length < sources.length) return undefined
    const largest = found.reduce((a, b) => (b.tensor.size > a.tensor.size ? b : a))
    return { tensor: largest.tensor, dequantized: largest.dequantized || isOp(node, 'DequantizeLinear') }
  }
}
