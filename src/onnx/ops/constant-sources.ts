// From a value back to the constant that it is made of: a weight behind DequantizeLinear, Transpose, Cast and their like.
import { constantOf } from '../edit.ts'
import { type Graph, isOp, type Node, subgraphsOf } from '../model.ts'
import type { Tensor } from '../tensor.ts'

/** The constant that a value goes back to. */
export interface ConstantSource {
  readonly tensor: Tensor
  /** The DequantizeLinear on the way. */
  readonly dequantize?: Node
}

/** The constants that the values of a graph go back to, through nodes that read nothing else. */
export class ConstantSources {
  readonly #graph: Graph | undefined
  readonly #outer: ConstantSources | undefined
  readonly #producers = new Map<string, Node>()
  readonly #known = new Map<string, ConstantSource | undefined>()

  constructor(graph: Graph | undefined, outer: ConstantSources | undefined) {
    this.#graph = graph
    this.#outer = outer
    for (const node of graph?.nodes ?? []) for (const output of node.outputs) this.#producers.set(output, node)
  }

  /** The largest constant behind a value, when it depends on constants alone; and whether DequantizeLinear is on the way. */
  source(value: string | undefined): ConstantSource | undefined {
    if (!value) return undefined
    if (!this.#known.has(value)) this.#known.set(value, this.#find(value))
    return this.#known.get(value)
  }

  #find(value: string): ConstantSource | undefined {
    const tensor = this.#graph?.initializers.get(value)
    if (tensor) return { tensor }
    const node = this.#producers.get(value)
    if (!node) return this.#outer?.source(value)
    const constant = isOp(node, 'Constant') ? constantOf(node) : undefined
    if (constant) return { tensor: constant }
    // Attributes may hold graphs, which read who knows what; a random value is not a constant.
    if (subgraphsOf(node).length > 0) return undefined
    const inputs = node.inputs.filter((input) => input !== '')
    const sources = inputs.map((input) => this.source(input))
    const found = sources.flatMap((source) => source ?? [])
    if (found.length === 0 || found.length < sources.length) return undefined
    const largest = found.reduce((a, b) => (b.tensor.size > a.tensor.size ? b : a))
    const dequantize = largest.dequantize ?? (isOp(node, 'DequantizeLinear') ? node : undefined)
    return { tensor: largest.tensor, ...(dequantize ? { dequantize } : {}) }
  }
}
