import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { itKeepsTheFunction, itLeavesAlone } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { readModel, writeModel } from '../onnx/index.ts'
import { freezeInputs } from './freeze-inputs.ts'

describe('freeze-inputs', () => {
  const drawn = tinyModel('x[N,8] -> MatMul 8->4 -> y')
  const weight = { name: 'y_weight', dtype: 'float32', shape: [8, 4] } as const
  const inputs = [...drawn.graph.inputs, weight]
  itKeepsTheFunction(freezeInputs, readModel(writeModel({ ...drawn, graph: { ...drawn.graph, inputs } })), {
    and: ({ model }) => {
      assert.equal(model.graph.overridable, undefined)
      assert.ok(model.graph.initializers.has('y_weight'))
    },
  })
  itLeavesAlone(freezeInputs, 'x[N,8] -> MatMul 8->4 -> y')
})
