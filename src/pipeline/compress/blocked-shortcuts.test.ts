import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomFeeds, testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { applyRewrites } from '../../rewrite/index.ts'
import { memoryCache } from '../../search/index.ts'
import { blockShortcuts } from './blocked-shortcuts.ts'

const runtime = await testRuntime()

const block = (shortcut: string) =>
  tinyModel(`x[N,4,8,8] -> Conv 1x1 4->4 -> t; t -> Conv 1x1 4->6 -> a; t -> ${shortcut} -> b; a,b -> Add -> y`)

async function blocked(shortcut: string, share: number) {
  const original = block(shortcut)
  const sample = randomFeeds(original)
  const cache = memoryCache()
  await cache.put('key|time with shortcut-to-conv', share)
  const rewritten = await applyRewrites(runtime, { model: original, feeds: sample }, [])
  const result = await blockShortcuts({ runtime, original, sample, cache, key: 'key' }, rewritten)
  return { ops: result.model.graph.nodes.map((node) => node.opType), rows: result.applied }
}

describe('shortcuts in the blocked layout', () => {
  const pad = 'Pad ints(0,1,0,0,0,1,0,0)'

  it('stay where the model was faster with them, and the report says how much', async () => {
    const { ops, rows } = await blocked(pad, 0.8)
    assert.ok(!ops.includes('Pad'), `operators: ${ops}`)
    assert.equal(rows[0]?.kept, true)
    assert.match(rows[0]?.changes.at(-1) ?? '', /takes 0.80 of the original's time/)
  })

  it('go where it was not', async () => {
    const { ops, rows } = await blocked(pad, 1.02)
    assert.ok(ops.includes('Pad'), `operators: ${ops}`)
    assert.equal(rows[0]?.kept, false)
    assert.match(rows[0]?.refused ?? '', /takes 1.02 of the original's time/)
  })

  it('are not looked for twice where there are none', async () => {
    const { rows } = await blocked('Conv 1x1 4->6', 0.5)
    assert.deepEqual(rows, [])
  })
})
