import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { applied, itLeavesAlone } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { declareOutputs } from './declare-outputs.ts'

describe('declare-outputs', () => {
  it('declares as many free dimensions as an output has', async () => {
    const model = tinyModel('x[N,8] -> MatMul 8->4 -> Unsqueeze ints(1) -> y')
    const { outputs } = (await applied(declareOutputs, model)).model.graph
    assert.deepEqual(outputs, [{ name: 'y', dtype: 'float32', shape: [null, null, null] }])
    assert.equal(model.graph.outputs[0]?.shape, undefined)
  })

  const declared = tinyModel('x[N,8] -> Relu -> y')
  declared.graph.outputs[0] = { name: 'y', dtype: 'float32', shape: ['N', 8] }
  itLeavesAlone(declareOutputs, declared)
})
