import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { crossEntropy } from './loss/terms.ts'
import { largestBatch, trainingBytes } from './memory.ts'
import { floatTrainableModel } from './trainable-model.ts'

describe('the memory of a training', () => {
  it('names as the largest batch the last one whose estimate fits', async () => {
    const model = tinyModel('x[N,3,8,8] -> Conv 3x3 3->8 -> Relu -> GlobalAveragePool -> Flatten -> Gemm 8->3 -> y')
    const sample = { x: { dtype: 'float32' as const, dims: [1, 3, 8, 8], data: new Float32Array(192) } }
    const options = { train: 'all', batch: 2, batchNorm: 'frozen', loss: [crossEntropy()] } as const
    const { graph, initial } = await floatTrainableModel(await testRuntime(), model, sample, options)
    const limit = trainingBytes(graph, initial, 7.5)
    assert.equal(largestBatch(graph, initial, limit), 7)
    assert.equal(largestBatch(graph, initial, trainingBytes(graph, initial, 0) - 1), 0)
  })
})
