import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { withSession } from '../../runtime/index.ts'
import { floatTrainableModel } from '../trainable-model.ts'
import { FEEDS } from '../training-graph.ts'
import { features, sharedFeatures } from './features.ts'

const drawing = 'x[N,3] -> Gemm 3->4 -> a -> Relu -> b -> Gemm 4->2 -> y'
const sample = { x: { dtype: 'float32' as const, dims: [1, 3], data: Float32Array.of(1, -1, 2) } }

describe('sharedFeatures', () => {
  it('finds what weighted layers read, where name and size are the same', async () => {
    const [model, narrow] = [tinyModel(drawing), tinyModel(drawing.replace('3->4', '3->5').replace('4->2', '5->2'))]
    assert.deepEqual(await sharedFeatures(await testRuntime(), model, model, sample), ['b'])
    assert.deepEqual(await sharedFeatures(await testRuntime(), narrow, model, sample), [])
  })
})

describe('features', () => {
  it('is the square distance over the square size of the teacher, without padding', async () => {
    const { graph, initial, prepared } = await floatTrainableModel(await testRuntime(), tinyModel(drawing), sample, {
      train: 'all',
      batch: 2,
      batchNorm: 'frozen',
      loss: [features({ values: ['b'] })],
    })
    const x = { dtype: 'float32' as const, dims: [2, 3], data: Float32Array.of(1, -1, 2, 5, 5, 5) }
    const aim = { dtype: 'float32' as const, dims: [2, 4], data: Float32Array.of(1, 2, 0, 3, 9, 9, 9, 9) }
    const weights = Object.fromEntries(
      graph.parameters.map(({ name, dims }) => [name, { dtype: 'float32' as const, dims, data: initial.get(name)! }]),
    )
    const results = await withSession(await testRuntime(), graph.model, {}, (session) =>
      session.run({
        x,
        ...weights,
        [FEEDS.teacher('b')]: aim,
        [FEEDS.sampleWeight]: { dtype: 'float32', dims: [2], data: Float32Array.of(1, 0) },
      }),
    )
    assert.deepEqual(
      graph.parameters.map(({ kind }) => kind),
      ['weight', 'bias'],
    )
    const [w, bias] = ['weight', 'bias'].map((kind) => graph.parameters.find((parameter) => parameter.kind === kind))
    const own = [0, 1, 2, 3].map((row) => {
      const [matrix, offsets] = [initial.get(w!.name)!, initial.get(bias!.name)!]
      return Math.max(
        0,
        [1, -1, 2].reduce((sum, value, i) => sum + value * matrix[i * 4 + row]!, offsets[row]!),
      )
    })
    const expected = own.reduce((sum, value, i) => sum + (value - aim.data[i]!) ** 2, 0) / 14
    assert.equal(prepared.batch, 2)
    assert.ok(
      Math.abs(Number(results[graph.loss]?.data[0]) - expected) < 1e-5 * expected,
      `${results[graph.loss]?.data[0]}, not ${expected}`,
    )
  })
})
