import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { itKeepsTheFunction, itLeavesAlone } from '../../test/support/rewrite-conformance.ts'
import { removeIdentity } from './remove-identity.ts'

const leaves = (drawing: string, ...ops: string[]): void =>
  itKeepsTheFunction(removeIdentity, drawing, {
    tolerance: 0,
    and: ({ model }) =>
      assert.deepEqual(
        model.graph.nodes.map((node) => node.opType),
        ops,
      ),
  })

describe('remove-identity', () => {
  leaves('x[N,4] -> Relu -> Identity -> Abs -> y', 'Relu', 'Abs')
  leaves('x[N,4] -> Identity -> Abs -> y', 'Abs')
  leaves('x[N,4] -> Relu -> Identity -> y', 'Relu')
  leaves('x[N,4] -> Relu -> Dropout -> y', 'Relu')
  leaves('x[N,4] -> Relu -> Cast to=1 -> y', 'Relu')
  leaves('x[N,4,5] -> Relu -> Transpose perm=0,1,2 -> y', 'Relu')
  leaves('x[N,4] -> Relu -> Flatten -> y', 'Relu')
  leaves('x[N,4] -> Relu -> Reshape ints(-1,4) -> y', 'Relu')
  leaves('x[N,C,H] -> Relu -> Reshape ints(0,0,-1) -> y', 'Relu')
  itLeavesAlone(removeIdentity, 'x[N,4] -> Identity -> y', /joins two names that the outside knows/)
  itLeavesAlone(removeIdentity, 'x[N,4] -> Relu -> a!; a -> Identity -> y', /joins two names/)
  itLeavesAlone(removeIdentity, 'x[N,4] -> Relu -> Cast to=7 -> Cast to=1 -> y')
  itLeavesAlone(removeIdentity, 'x[N,4,5] -> Flatten -> y')
  // Observed [2, 7], but nothing says that the second size stays.
  itLeavesAlone(removeIdentity, 'x[N,C] -> Relu -> Reshape ints(-1,7) -> y')
  itLeavesAlone(removeIdentity, 'x[N,4] -> Relu -> Reshape ints(4,-1) -> y')
  itLeavesAlone(removeIdentity, 'x[N,4] -> Dropout and:mask -> y; mask -> Cast to=1 -> z')
})
