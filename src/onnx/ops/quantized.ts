// Operators that multiply with integer weights, or pick rows of them: what a quantised model is made of.
import { layerOf } from '../layers.ts'
import { type Graph, type Model, type Node, subgraphsOf } from '../model.ts'
import { ConstantSources } from './constant-sources.ts'
import { factsOf } from './index.ts'

/** Where an operator that computes with an integer weight has it, and what it does with what it reads. */
export interface IntegerFacts {
  /** Input that holds the integer weight. */
  readonly weight: number
  /** Input that holds its scales. */
  readonly scale?: number
  /**
   * How it reads activations: as codes, whose zero point is this input; as codes that are made anew in each run; or as floats. Absent:
   * it is no layer, or nothing is known of it.
   */
  readonly activations?: number | 'dynamic' | 'float'
  /** Bits of a weight, where neither its type nor an attribute says them. */
  readonly bits?: number
}

/** Domain and operator → what is known of it. */
const integerOps: Readonly<Record<string, IntegerFacts>> = {
  ':QLinearConv': { weight: 3, scale: 4, activations: 2 },
  ':QLinearMatMul': { weight: 3, scale: 4, activations: 2 },
  ':ConvInteger': { weight: 1, activations: 'dynamic' },
  ':MatMulInteger': { weight: 1, activations: 'dynamic' },
  'com.microsoft:QLinearConv': { weight: 3, scale: 4, activations: 2 },
  'com.microsoft:QGemm': { weight: 3, scale: 4, activations: 2 },
  'com.microsoft:QOrderedMatMul': { weight: 3 },
  'com.microsoft:MatMulIntegerToFloat': { weight: 1, scale: 3, activations: 'dynamic' },
  'com.microsoft:MatMulInteger16': { weight: 1, activations: 'dynamic' },
  'com.microsoft:DynamicQuantizeMatMul': { weight: 1, scale: 2, activations: 'dynamic' },
  'com.microsoft:DynamicQuantizeLSTM': { weight: 1 },
  'com.microsoft:MatMulNBits': { weight: 1, scale: 2, activations: 'float' },
  'com.microsoft:MatMulBnb4': { weight: 1, scale: 2, activations: 'float', bits: 4 },
  'com.microsoft:MatMulFpQ4': { weight: 1, activations: 'float', bits: 4 },
  'com.microsoft:GemmFloat8': { weight: 1 },
  'com.microsoft:QAttention': { weight: 1 },
  'com.microsoft:QOrderedAttention': { weight: 1 },
  'com.microsoft:QMoE': { weight: 2 },
  'com.microsoft:GatherBlockQuantized': { weight: 0 },
  'com.microsoft:QEmbedLayerNormalization': { weight: 2 },
}

/** What is known of a node that computes with an integer weight; undefined for operators that have none. */
export function integerFactsOf(node: Node): IntegerFacts | undefined {
  return integerOps[`${node.domain === 'ai.onnx' ? '' : node.domain}:${node.opType}`]
}

/** The input of a node that holds its integer weight; undefined for operators that have none. */
export function integerWeightOf(node: Node): number | undefined {
  return integerFactsOf(node)?.weight
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
  const visit = (graph: Graph, outer: ConstantSources): void => {
    const scope = new ConstantSources(graph, outer)
    for (const node of graph.nodes) {
      const at = integerWeightOf(node)
      const weight = at === undefined ? undefined : scope.source(node.inputs[at])
      if (weight) integer.push({ node, form: 'operator', elements: weight.tensor.size })
      else if (factsOf(node).layer) {
        const layer = layerOf(node, (value) => scope.source(value)?.tensor)
        const found = layer && scope.source(node.inputs[layer.weightIndex])
        if (!found) continue
        const { size } = found.tensor
        if (found.dequantize) integer.push({ node, form: 'dequantized', elements: size })
        else float.push({ node, elements: size })
      }
      for (const inner of subgraphsOf(node)) visit(inner, scope)
    }
  }
  visit(model.graph, new ConstantSources(undefined, undefined))
  return { integer, float }
}
