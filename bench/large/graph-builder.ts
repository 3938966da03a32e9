// Graphs of any size whose weights are drawn when they are written: a tensor at a time is in memory.
import {
  type Attribute,
  intAttr,
  intsAttr,
  type Model,
  makeModel,
  makeNode,
  Tensor,
  type ValueInfo,
} from '../../src/onnx/index.ts'

const OPSET = 17

/** What is drawn or computed has a number; the model takes shape node by node. */
export class GraphBuilder {
  readonly #model: Model
  #next = 0

  constructor(name: string, inputs: readonly ValueInfo[]) {
    this.#model = makeModel({ name, inputs, outputs: [] })
    this.#model.opsets.set('', OPSET)
  }

  /** Adds a node; returns the name of its output. */
  node(opType: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const name = `${opType}_${this.#next++}`
    const output = `${name}_out`
    this.#model.graph.nodes.push(makeNode({ opType, name, inputs: [...inputs], outputs: [output], attributes }))
    return output
  }

  /** Random weights that keep the size of what they multiply: uniform, with variance 1 / `fan`. */
  weight(shape: readonly number[], fan: number): string {
    const seed = this.#next + 1
    const count = shape.reduce((a, b) => a * b, 1)
    return this.#add(Tensor.onDemand('float32', shape, () => uniform(count, Math.sqrt(3 / fan), seed)))
  }

  constant(shape: readonly number[], value: number): string {
    return this.#add(Tensor.from('float32', shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value)))
  }

  ints(values: readonly number[]): string {
    return this.#add(Tensor.from('int64', [values.length], values))
  }

  /** The model with a value as its output. */
  finish(value: string, shape: readonly (number | string)[]): Model {
    this.#model.graph.outputs.push({ name: value, dtype: 'float32', shape })
    return this.#model
  }

  #add(tensor: Tensor): string {
    const name = `constant_${this.#next++}`
    this.#model.graph.initializers.set(name, tensor)
    return name
  }
}

/** xorshift32: a gigabyte takes a second. */
function uniform(count: number, limit: number, seed: number): Float32Array {
  const values = new Float32Array(count)
  let state = (seed * 0x9e3779b1) | 1
  for (let i = 0; i < count; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    values[i] = (state / 2 ** 31) * limit
  }
  return values
}

export const axis = (value: number): Readonly<Record<string, Attribute>> => ({ axis: intAttr(value) })
export const perm = (...order: readonly number[]): Readonly<Record<string, Attribute>> => ({ perm: intsAttr(order) })
