import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { itKeepsTheFunction, itLeavesAlone } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { reduceMeanToPool } from './reduce-mean-to-pool.ts'

const becomes = (drawing: string, opset: number, ...ops: string[]): void =>
  itKeepsTheFunction(reduceMeanToPool, tinyModel(drawing, { opset }), {
    and: ({ model }) =>
      assert.deepEqual(
        model.graph.nodes.map((node) => node.opType),
        ops,
      ),
  })

describe('reduce-mean-to-pool', () => {
  becomes('x[N,4,6,5] -> ReduceMean axes=2,3 -> y', 13, 'GlobalAveragePool')
  becomes('x[N,4,6,5] -> ReduceMean ints(-1,-2) -> y', 18, 'GlobalAveragePool')
  becomes('x[N,4,6,5] -> ReduceMean axes=3,2 keepdims=0 -> y', 13, 'GlobalAveragePool', 'Flatten')
  itLeavesAlone(reduceMeanToPool, 'x[N,4,6,5] -> ReduceMean axes=1,2 -> y')
  itLeavesAlone(reduceMeanToPool, 'x[N,4,6] -> ReduceMean axes=2, -> y')
})
