// A model whose work is done in the branches of an If.
import { type Graph, type Model, type Node, Tensor } from '../../src/onnx/index.ts'
import { tinyModel } from './tiny-model.ts'

/** x[N,8] -> If(true), both branches made of `nodes` (which may read x) with the result `output` -> y. */
export function withBranches(nodes: readonly Node[], output: string, opset = 17): Model {
  const model = tinyModel('x[N,8] -> If -> y', { opset })
  const branch = (): Graph => ({
    name: 'branch',
    nodes: nodes.map((node) => ({ ...node, inputs: [...node.inputs], attributes: new Map(node.attributes) })),
    initializers: new Map(),
    inputs: [],
    outputs: [{ name: output, dtype: 'float32' }],
    valueInfo: new Map(),
  })
  model.graph.initializers.set('condition', Tensor.from('bool', [], [1]))
  for (const node of model.graph.nodes) {
    node.inputs.splice(0, 1, 'condition')
    node.attributes.set('then_branch', { type: 'graph', value: branch() })
    node.attributes.set('else_branch', { type: 'graph', value: branch() })
  }
  return model
}
