import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertClose, contextOf, randomFeeds, run, testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { channelStatistics } from '../calibrate/index.ts'
import { constantsOf, layersOf, type Model } from '../onnx/index.ts'
import type { Values } from '../runtime/index.ts'
import { outlierRequests } from './channel-requests.ts'
import { findOutliers, type Outliers, separateOutliers } from './separate-outliers.ts'

const TWO_READERS =
  'x[N,6,64] -> MatMul 64->64 -> Tanh -> a; x -> MatMul 64->32 -> Add floats[32] -> b; a -> MatMul 64->32 -> c; b,c -> Add -> y'

/** Random inputs, some channels of which are large. */
function loud(model: Model, channels: readonly number[], times: number): Values {
  const feeds = randomFeeds(model)
  const data = feeds['x']?.data as Float32Array
  for (const i of data.keys()) if (channels.includes(i % 64)) data[i] = (data[i] ?? 0) * times
  return feeds
}

async function found(model: Model, feeds: Values): Promise<Outliers> {
  const { shapes } = await contextOf(model, feeds)
  async function* batches() {
    yield { ids: ['a', 'b'], size: 2, inputs: feeds }
  }
  const requests = outlierRequests(model, shapes)
  const seen = await channelStatistics(await testRuntime(), model, batches(), { requests, shapes, total: 2 })
  return findOutliers(model, shapes, seen, { weights: 'per-channel' })
}

describe('outlier channels', () => {
  it('are found where few are many times larger than all others', async () => {
    const model = tinyModel(TWO_READERS)
    assert.deepEqual(await found(model, loud(model, [7, 40], 100)), { x: [7, 40] })
  })

  it('are not found where all channels are alike, or where every second one is large', async () => {
    const model = tinyModel(TWO_READERS)
    assert.deepEqual(await found(model, randomFeeds(model)), {})
    const half = Array.from({ length: 32 }, (_, i) => 2 * i)
    assert.deepEqual(await found(model, loud(model, half, 100)), {})
  })

  for (const [form, drawing] of [
    ['two layers that read one value', TWO_READERS],
    ['a layer that is an output', 'x[N,64] -> MatMul 64->32 -> y'],
    ['a Gemm with a bias', 'x[N,64] -> Gemm 64->32 -> y'],
    ['a Gemm with its weight transposed', 'x[N,64] -> Gemm 64->32 transB=1 -> Relu -> y'],
  ] as const)
    it(`leave the function as it was when they go apart: ${form}`, async () => {
      const model = tinyModel(drawing)
      const feeds = loud(model, [7, 40], 100)
      const { shapes } = await contextOf(model, feeds)
      const result = separateOutliers(model, shapes, new Map(), { x: [7, 40] })
      assertClose(await run(model, feeds), await run(result.model, feeds), 100, 1e-5)
      const large = layersOf(result.model).filter(({ view }) => view?.inputsPerGroup === 64)
      const small = layersOf(result.model).filter(({ view }) => view?.inputsPerGroup === 2)
      assert.equal(small.length, result.changes.length, 'a small product for each layer that reads the value')
      assert.ok(
        small.every(({ node }) => result.apart.includes(node.inputs[0] ?? '')),
        'they read the values that are said to be apart',
      )
      for (const { view, weight } of large.filter(({ node }) => node.inputs[0] !== 'a'))
        for (const c of [7, 40])
          assert.equal(weight.floats()[(view?.offset(3) ?? 0) + c * (view?.inputStride ?? 0)], 0, 'its rows are empty')
      const masks = result.model.graph.nodes.filter(({ opType }) => opType === 'Mul')
      assert.equal(masks.length, 1)
      const mask = constantsOf(result.model.graph)(masks[0]?.inputs[1])?.floats()
      assert.deepEqual(
        [...(mask ?? [])].flatMap((value, c) => (value === 0 ? [c] : [])),
        [7, 40],
      )
    })
})
