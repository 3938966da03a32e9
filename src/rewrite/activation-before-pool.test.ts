import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { itKeepsTheFunction, itLeavesAlone } from '../../test/support/rewrite-conformance.ts'
import { activationBeforePool } from './activation-before-pool.ts'

const becomes = (drawing: string, ...ops: string[]): void =>
  itKeepsTheFunction(activationBeforePool, drawing, {
    tolerance: 0,
    and: ({ model }) =>
      assert.deepEqual(
        model.graph.nodes.map((node) => node.opType),
        ops,
      ),
  })

describe('activation-before-pool', () => {
  becomes('x[N,4,6,6] -> Conv 3x3 4->5 -> MaxPool 2x2 pads=1,1,1,1 -> Relu -> y', 'Conv', 'Relu', 'MaxPool')
  becomes('x[N,4,6,6] -> Conv 3x3 4->5 -> MaxPool 2x2 -> Clip number(-1) number(0.5) -> y', 'Conv', 'Clip', 'MaxPool')
  itLeavesAlone(activationBeforePool, 'x[N,4,6,6] -> Conv 3x3 4->5 -> MaxPool 2x2 -> Sigmoid -> y')
  itLeavesAlone(activationBeforePool, 'x[N,4,6,6] -> Conv 3x3 4->5 -> AveragePool 2x2 -> Relu -> y')
  itLeavesAlone(activationBeforePool, 'x[N,4,6,6] -> MaxPool 2x2 -> Relu -> y')
  itLeavesAlone(activationBeforePool, 'x[N,4,6,6] -> Conv 3x3 4->5 -> MaxPool 2x2 -> p!; p -> Relu -> y')
  itLeavesAlone(
    activationBeforePool,
    'x[N,4,6,6] -> Conv 3x3 4->5 -> c!; c -> MaxPool 2x2 -> Relu -> y',
    /what is pooled is used elsewhere too/,
  )
})
