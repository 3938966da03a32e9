import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { withSession } from '../../runtime/index.ts'
import { floatTrainableModel } from '../trainable-model.ts'
import { FEEDS } from '../training-graph.ts'
import { outputNoise } from './output-noise.ts'

describe('outputNoise', () => {
  it('is the weighted sum of mean squares over the samples that count', async () => {
    const sample = { x: { dtype: 'float32' as const, dims: [1, 2], data: Float32Array.of(1, -1) } }
    const { graph, initial } = await floatTrainableModel(
      await testRuntime(),
      tinyModel('x[N,2] -> a! -> Gemm 2->2 -> y'),
      sample,
      {
        train: 'all',
        batch: 2,
        batchNorm: 'frozen',
        loss: [
          outputNoise([
            { own: 'x', teacher: 'x', weight: 3 },
            { own: 'y', teacher: 'scores', weight: 0.5 },
          ]),
        ],
      },
    )
    const vector = (...data: number[]) => ({ dtype: 'float32' as const, dims: [2, 2], data: Float32Array.from(data) })
    const arrays = Object.fromEntries(
      graph.parameters.map(({ name, dims }) => [
        name,
        { dtype: 'float32' as const, dims, data: new Float32Array(initial.get(name)!.length) },
      ]),
    )
    const run = (weights: Float32Array) =>
      withSession(testRuntimeNow, graph.model, {}, async (session) => {
        const results = await session.run({
          x: vector(1, 2, 3, 4),
          ...arrays,
          [FEEDS.teacher('x')]: vector(0, 0, 3, 4),
          [FEEDS.teacher('scores')]: vector(1, 3, 2, 0),
          [FEEDS.sampleWeight]: { dtype: 'float32', dims: [2], data: weights },
        })
        return Number(results[graph.loss]?.data[0])
      })
    const testRuntimeNow = await testRuntime()
    // Weights and bias are 0, and y with them: squares 2.5 and 0 a sample of x, 5 and 2 of y.
    assert.ok(Math.abs((await run(Float32Array.of(1, 1))) - (3 * 1.25 + 0.5 * 3.5)) < 1e-5)
    assert.ok(Math.abs((await run(Float32Array.of(1, 0))) - (3 * 2.5 + 0.5 * 5)) < 1e-5)
  })
})
