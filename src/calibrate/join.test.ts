import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomFeeds, testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import type { Batch } from '../data/index.ts'
import { observeShapes, withSession } from '../runtime/index.ts'
import { channelStatistics } from './channel-statistics.ts'
import { calibrate } from './pass.ts'

describe('watching large maps', async () => {
  const runtime = await testRuntime()

  const MAPS = 24
  const layer = ' -> Conv 1x1 16->16 -> Relu'
  const mb = () => process.resourceUsage().maxRSS / 1024

  it('takes the memory of a few of them, whatever the depth, and sees what is there', async () => {
    const model = tinyModel(
      `x[1,16,512,512]${layer.repeat(MAPS)} -> Conv 1x1 16->16 strides=8,8 -> Relu -> Conv 1x1 16->1 -> y`,
    )
    const feeds = randomFeeds(model)
    const shapes = await observeShapes(runtime, model, feeds)
    const values = model.graph.nodes.flatMap(({ opType, outputs }) => (opType === 'Relu' ? outputs : []))
    async function* batches(): AsyncGenerator<Batch> {
      // A second run must not take room of its own.
      for (const id of ['a', 'b']) yield { ids: [id], size: 1, inputs: feeds }
    }
    // Both signs: without knowing that a Relu made them, minima are looked at too.
    const requests = values.map((value) => ({ value, axis: 1, histogram: true }))
    const before = mb()
    const seen = await calibrate(runtime, model, batches(), { requests, shapes, total: 2 })
    const channels = await channelStatistics(runtime, model, batches(), { requests, shapes, total: 2 })
    const one = 16 * 512 * 512 * 4e-6
    assert.ok(mb() - before < 12 * one, `${mb() - before} MB more, a map has ${one}`)
    const value = values[3] ?? ''
    const alone = { ...model, graph: { ...model.graph, outputs: [{ name: value, dtype: 'float32' as const }] } }
    const data = await withSession(runtime, alone, {}, async (session) => (await session.run(feeds))[value]?.data)
    const most = (data as Float32Array).reduce((a, b) => Math.max(a, b), 0)
    assert.ok(Math.abs((seen.get(value)?.max ?? 0) - most) < 1e-5 * most)
    assert.equal(seen.get(value)?.min, 0)
    assert.ok(Math.abs(Math.max(...(channels.get(value)?.max ?? [])) - most) < 1e-5 * most)
  })
})
