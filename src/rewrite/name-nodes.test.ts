import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { withBranches } from '../../test/support/branches.ts'
import { itKeepsTheFunction, itLeavesAlone } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { allNodes, type Model, makeNode } from '../onnx/index.ts'
import { nameNodes } from './name-nodes.ts'

function renamed(drawing: string, names: readonly string[]): Model {
  const model = tinyModel(drawing)
  for (const [i, node] of model.graph.nodes.entries()) node.name = names[i] ?? ''
  return model
}

const namesIn = (model: Model) => [...allNodes(model.graph)].map((node) => node.name)

describe('name-nodes', () => {
  itLeavesAlone(nameNodes, 'x[N,4] -> Relu -> a; a -> Neg -> y')

  itKeepsTheFunction(nameNodes, renamed('x[N,4] -> Relu -> a; a -> Neg -> y', []), {
    and: ({ model }) => assert.deepEqual(namesIn(model), ['a', 'y']),
  })

  it('numbers a name used twice, and does not take one that another node has', () => {
    const model = renamed('x[N,4] -> Relu -> a; a -> Neg -> b; b -> Abs -> y', ['same', 'same', 'same_1'])
    const result = nameNodes.apply(model, { shapes: new Map(), statistics: new Map() })
    assert.deepEqual(namesIn(result.model), ['same', 'same_2', 'same_1'])
  })

  it('names the nodes of branches, apart from all others', () => {
    const inner = makeNode({ opType: 'Relu', name: '', inputs: ['x'], outputs: ['r'] })
    const { model } = nameNodes.apply(withBranches([inner], 'r'), { shapes: new Map(), statistics: new Map() })
    const names = namesIn(model)
    assert.equal(new Set(names).size, names.length)
    assert.ok(!names.includes(''))
  })
})
