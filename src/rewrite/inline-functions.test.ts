import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { withBranches } from '../../test/support/branches.ts'
import { applied, itKeepsTheFunction, itLeavesAlone } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import {
  type Attribute,
  floatAttr,
  type LocalFunction,
  layersOf,
  type Model,
  makeNode,
  type Node,
  opsetOf,
  readModel,
  Tensor,
  writeModel,
} from '../onnx/index.ts'
import { convertOpset } from './convert-opset.ts'
import { inlineFunctions } from './inline-functions.ts'

interface FunctionSpec {
  readonly inputs?: readonly string[]
  readonly outputs?: readonly string[]
  readonly opset?: number
  readonly attributes?: Readonly<Record<string, Attribute | undefined>>
}

function local(name: string, nodes: readonly Node[], spec: FunctionSpec = {}): LocalFunction {
  const { inputs = ['X'], outputs = ['Y'], opset = 17, attributes = {} } = spec
  const domains = [...new Set(nodes.map(({ domain }) => domain))]
  return {
    domain: 'my',
    name,
    overload: '',
    inputs,
    outputs,
    attributes: new Map(Object.entries(attributes)),
    nodes,
    valueInfo: new Map(),
    opsets: new Map([['', opset], ...domains.filter((domain) => domain !== '').map((domain) => [domain, 1] as const)]),
  }
}

const node = (opType: string, inputs: string[], outputs: string[], attributes: Record<string, Attribute> = {}) =>
  makeNode({
    opType,
    domain: opType.startsWith('My') ? 'my' : '',
    inputs,
    outputs,
    attributes,
  })

/** A drawing in which the operators "My…" are calls, in a file and out of it again. */
function calling(drawing: string | Model, ...functions: readonly LocalFunction[]): Model {
  const model = typeof drawing === 'string' ? tinyModel(drawing) : drawing
  const calls = (nodes: readonly Node[]): Node[] =>
    nodes.map((each) => (each.opType.startsWith('My') ? { ...each, domain: 'my' } : each))
  const graph = { ...model.graph, nodes: calls(model.graph.nodes) }
  return readModel(writeModel({ ...model, graph, functions, opsets: new Map([...model.opsets, ['my', 1]]) }))
}

const relu = local('MyAct', [node('Neg', ['X'], ['t']), node('Relu', ['t'], ['Y'])])
const dense = local('MyDense', [node('MatMul', ['X', 'W'], ['t']), node('MyAct', ['t'], ['Y'])], { inputs: ['X', 'W'] })
const reference = (name: string): Attribute => ({ type: 'other', raw: undefined, reference: name })

describe('inline-functions', () => {
  itKeepsTheFunction(inlineFunctions, calling('x[N,8] -> MyAct -> MyAct -> y', relu), {
    and: ({ model, changes }) => {
      assert.equal(model.functions, undefined)
      assert.deepEqual([...model.opsets.keys()], [''])
      assert.match(changes.join(), /function MyAct written out 2 times/)
      const names = model.graph.nodes.flatMap((each) => each.outputs)
      assert.equal(new Set(names).size, 4)
    },
  })

  describe('a function that calls another, with a weight as its input', () =>
    itKeepsTheFunction(
      inlineFunctions,
      calling('x[N,8] -> MyDense floats[8,4] -> MyDense floats[4,4] -> y', dense, relu),
      {
        and: ({ model }) => assert.equal(layersOf(model).length, 2),
      },
    ))

  describe('attributes that a call sets, that have a default, that are absent', () => {
    const clip = (value: Attribute | undefined) =>
      local('MyLeaky', [node('LeakyRelu', ['X'], ['Y'], { alpha: reference('slope') })], {
        attributes: { slope: value },
      })
    itKeepsTheFunction(inlineFunctions, calling('x[N,8] -> MyLeaky slope=0.5 -> MyLeaky -> y', clip(floatAttr(0.25))), {
      and: ({ model }) =>
        assert.deepEqual(
          model.graph.nodes
            .map((each) => each.attributes.get('alpha'))
            .map((each) => each?.type === 'float' && each.value),
          [0.5, 0.25],
        ),
    })
    itKeepsTheFunction(inlineFunctions, calling('x[N,8] -> MyLeaky -> y', clip(undefined)))
  })

  it('copies an input that a function hands on, and a value that it gives twice', () => {
    const both = local('MyBoth', [node('Neg', ['X'], ['t'])], { outputs: ['X', 't', 't'] })
    const model = calling('x[N,8] -> MyBoth and:a and:b -> y; a,b -> Add -> z', both)
    const { graph } = inlineFunctions.apply(model, { shapes: new Map(), statistics: new Map() }).model
    assert.deepEqual(
      graph.nodes.map(({ opType, inputs, outputs }) => `${outputs} = ${opType}(${inputs})`),
      ['a = Neg(x)', 'y = Identity(x)', 'b = Identity(a)', 'z = Add(a,b)'],
    )
  })

  describe('a call inside a branch', () =>
    itKeepsTheFunction(inlineFunctions, calling(withBranches([node('MyAct', ['x'], ['inner'])], 'inner'), relu)))

  describe('branches inside a function', () => {
    const inner = withBranches([node('Neg', ['X'], ['r'])], 'r').graph.nodes[0]
    const attributes = Object.fromEntries(inner?.attributes ?? [])
    const choose = local('MyChoice', [node('If', ['C'], ['Y'], attributes)], { inputs: ['X', 'C'] })
    const model = tinyModel('x[N,8] -> MyChoice =c -> MyChoice =c -> y')
    model.graph.initializers.set('c', Tensor.from('bool', [], [1]))
    itKeepsTheFunction(inlineFunctions, calling(model, choose))
  })

  describe('convert-opset writes functions out first', () =>
    itKeepsTheFunction(
      convertOpset,
      calling(tinyModel('x[N,8] -> MyAct -> y', { opset: 12 }), local('MyAct', relu.nodes, { opset: 12 })),
      {
        and: ({ model }) => assert.deepEqual([model.functions, opsetOf(model)], [undefined, 13]),
      },
    ))

  it('refuses a function that calls itself', async () => {
    const model = calling('x[N,8] -> MyLoop -> y', local('MyLoop', [node('MyLoop', ['X'], ['Y'])]))
    assert.throws(
      () => inlineFunctions.apply(model, { shapes: new Map(), statistics: new Map() }),
      /function my.MyLoop calls itself/,
    )
  })

  it('drops functions that nobody calls, and keeps the file as it is without any', async () => {
    const { model } = await applied(inlineFunctions, calling('x[N,8] -> MyAct -> y', relu, dense))
    assert.equal(model.functions, undefined)
  })

  itLeavesAlone(inlineFunctions, 'x[N,8] -> Relu -> y')
})
