// Small models of kinds that stop tools: layers behind sub-graphs, sequences, optionals, unnamed outputs, no batch dimension.
import { type Graph, type Model, makeNode, type Node, Tensor } from '../../src/onnx/index.ts'
import { tinyModel } from './tiny-model.ts'

/** x[N,16] -> MatMul -> Relu a -> … -> z -> MatMul -> Relu -> MatMul y; what lies between a and z is drawn. */
const between = (drawing: string) =>
  `x[N,16] -> MatMul 16->12 -> Relu -> a; ${drawing}; z -> MatMul 12->12 -> Relu -> h; h -> MatMul 12->5 -> y`

const bool = (value: 0 | 1) => Tensor.from('bool', [], [value])

/** A graph inside a node; what it gives declares no type. */
function body(nodes: readonly Node[], outputs: readonly string[], inputs: Graph['inputs'] = []): Graph {
  const values = outputs.map((name) => ({ name }))
  return {
    name: 'body',
    nodes: [...nodes],
    initializers: new Map(),
    inputs: [...inputs],
    outputs: values,
    valueInfo: new Map(),
  }
}

/** Gives the node that makes `value` other inputs, and graphs inside it. */
function withBodies(
  model: Model,
  value: string,
  inputs: readonly string[],
  bodies: Readonly<Record<string, Graph>>,
): Model {
  for (const node of model.graph.nodes) {
    if (!node.outputs.includes(value)) continue
    node.inputs.splice(0, node.inputs.length, ...inputs)
    for (const [name, graph] of Object.entries(bodies)) node.attributes.set(name, { type: 'graph', value: graph })
  }
  return model
}

function behindIf(): Model {
  const model = tinyModel(between('a -> If -> z'))
  model.graph.initializers.set('yes', bool(1))
  const branch = (opType: string, output: string) =>
    body([makeNode({ opType, inputs: ['a'], outputs: [output] })], [output])
  return withBodies(model, 'z', ['yes'], { then_branch: branch('Neg', 't'), else_branch: branch('Abs', 'e') })
}

function behindLoop(): Model {
  const model = tinyModel(between('a -> Loop -> z'))
  model.graph.initializers.set('rounds', Tensor.from('int64', [], [2]))
  model.graph.initializers.set('yes', bool(1))
  const round = body(
    [
      makeNode({ opType: 'Identity', inputs: ['go'], outputs: ['on'] }),
      makeNode({ opType: 'Tanh', inputs: ['state'], outputs: ['next'] }),
    ],
    ['on', 'next'],
    [
      { name: 'i', dtype: 'int64', shape: [] },
      { name: 'go', dtype: 'bool', shape: [] },
      { name: 'state', dtype: 'float32' },
    ],
  )
  return withBodies(model, 'z', ['rounds', 'yes', 'a'], { body: round })
}

function unnamedOutput(): Model {
  const model = tinyModel(
    'x[N,16] -> MatMul 16->24 -> Relu -> Split ints(12,12) axis=1 and:rest -> z; z -> MatMul 12->5 -> y',
  )
  for (const { outputs } of model.graph.nodes) if (outputs[1] === 'rest') outputs[1] = ''
  return model
}

/** Each kind, and how many layers it has. */
export const graphKinds: Readonly<Record<string, { readonly make: () => Model; readonly layers: number }>> = {
  'a layer behind an If': { make: behindIf, layers: 3 },
  'a layer behind a Loop': { make: behindLoop, layers: 3 },
  'a sequence taken apart and joined': {
    make: () => tinyModel(between('a -> SplitToSequence ints(6,6) axis=1 -> s -> ConcatFromSequence axis=1 -> z')),
    layers: 3,
  },
  'parts of a sequence, one behind a layer': {
    make: () =>
      tinyModel(
        between(
          'a -> SplitToSequence ints(6,6) axis=1 -> s; s -> SequenceAt ints(0) -> MatMul 6->6 -> Relu -> u; s -> SequenceAt ints(1) -> v; u,v -> Concat axis=1 -> z',
        ),
      ),
    layers: 4,
  },
  'an optional': { make: () => tinyModel(between('a -> Optional -> o -> OptionalGetElement -> z')), layers: 3 },
  'a Split with an unnamed output': { make: unnamedOutput, layers: 2 },
  'no batch dimension': { make: () => tinyModel('x[16] -> MatMul 16->12 -> Relu -> MatMul 12->8 -> y'), layers: 2 },
}
