// A small model from scratch: one operator to time or to compute with, a graph for a test.
import type { Model, Node, ValueInfo } from './model.ts'
import type { Tensor } from './tensor.ts'

/** What a new model is made of; ONNX's own operators at opset 13. */
export interface ModelSpec {
  readonly name: string
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
  readonly nodes?: readonly Node[]
  readonly initializers?: Readonly<Record<string, Tensor>>
}

/** Makes a model that comes from no file. */
export function makeModel({ name, inputs, outputs, nodes = [], initializers = {} }: ModelSpec): Model {
  return {
    irVersion: 8,
    opsets: new Map([['', 13]]),
    producer: 'onnxpress',
    metadata: new Map(),
    notes: [],
    graph: {
      name,
      nodes: [...nodes],
      initializers: new Map(Object.entries(initializers)),
      inputs: [...inputs],
      outputs: [...outputs],
      valueInfo: new Map(),
    },
  }
}
