import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { sumOfOutput } from '../../../test/support/sum-of-output.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { floatTrainableModel } from '../trainable-model.ts'
import { untrainedNotes } from '../untrained.ts'

const sample = { x: { dtype: 'float32' as const, dims: [1, 4], data: new Float32Array(4).fill(1) } }
const options = { train: 'all', batch: 1, batchNorm: 'frozen', loss: [sumOfOutput] } as const

describe('what gets no gradient', () => {
  it('is told of where the loss does not depend on it', async () => {
    const heads = tinyModel('x[N,4] -> Gemm 4->6 -> a -> Gemm 6->3 -> y; a -> Gemm 6->2 -> z')
    const { graph, notes } = await floatTrainableModel(await testRuntime(), heads, sample, options)
    assert.deepEqual(
      graph.untrained.map(({ node }) => node),
      ['Gemm_z', 'Gemm_z'],
    )
    assert.deepEqual(notes, untrainedNotes(graph))
    assert.deepEqual(notes, ['the loss does not depend on Gemm_z: it stays as it is'])
  })

  it('is refused where the loss does, through a value that is not a float', async () => {
    const model = tinyModel(
      'x[N,4] -> Gemm 4->4 -> a -> Cast to=7 -> i -> Cast to=1 -> f; x -> Gemm 4->4 -> g -> Add =f -> y',
    )
    await assert.rejects(
      floatTrainableModel(await testRuntime(), model, sample, options),
      /cannot train "a_weight" of node "Gemm_a": its gradient ends at node "Cast_i" \(Cast\), whose output is int64; name the layers behind it with --only/,
    )
  })
})
