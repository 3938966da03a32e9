import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomFeeds, testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import type { Batch } from '../data/index.ts'
import { observeShapes, withSession } from '../runtime/index.ts'
import { channelStatistics } from './channel-statistics.ts'

describe('channel statistics', async () => {
  const runtime = await testRuntime()

  for (const opset of [13, 18])
    it(`are those of all samples and positions, at opset ${opset}`, async () => {
      const model = tinyModel('x[N,3,8,8] -> Conv 3x3 3->4 -> c! -> Flatten -> Gemm 144->5 -> y', { opset })
      const shapes = await observeShapes(runtime, model, randomFeeds(model))
      const list = [1, 2].map((seed): Batch => ({ ids: ['a', 'b'], size: 2, inputs: randomFeeds(model, seed) }))
      const requests = [
        { value: 'c', axis: 1 },
        { value: 'y', axis: 1 },
      ]
      async function* batches() {
        yield* list
      }
      const seen = await channelStatistics(runtime, model, batches(), { requests, shapes, total: 4 })
      await withSession(runtime, model, { optimization: 'disabled' }, async (session) => {
        for (const { value } of requests) {
          const all = await Promise.all(list.map(async ({ inputs }) => (await session.run(inputs))[value]))
          const channels = all[0]?.dims[1] ?? 0
          const inner = (all[0]?.dims.slice(2) ?? []).reduce((a, b) => a * b, 1)
          for (let c = 0; c < channels; c++) {
            const own = all.flatMap((one) =>
              Array.from(one?.data ?? [], Number).filter((_, i) => Math.floor(i / inner) % channels === c),
            )
            const mean = own.reduce((a, b) => a + b, 0) / own.length
            const deviation = Math.sqrt(own.reduce((a, b) => a + (b - mean) ** 2, 0) / own.length)
            const known = seen.get(value)
            assert.ok(Math.abs((known?.mean[c] ?? 0) - mean) < 1e-5)
            assert.ok(Math.abs((known?.deviation[c] ?? 0) - deviation) < 1e-4)
            assert.ok(Math.abs((known?.max?.[c] ?? 0) - Math.max(...own)) < 1e-4)
            assert.ok(Math.abs((known?.min?.[c] ?? 0) - Math.min(...own)) < 1e-4)
          }
        }
      })
    })
})
