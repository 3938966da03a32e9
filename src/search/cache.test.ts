import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { openCache } from './index.node.ts'
import { memoryCache } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-cache-'))

describe('the evaluation cache', () => {
  after(() => rmSync(folder, { recursive: true }))

  it('remembers what was put into it, in the next process as well', async () => {
    const path = join(folder, 'deep', 'cache.jsonl')
    const first = openCache(path)
    await first.put('a', { errors: [0.1, 1 / 3] })
    await first.put('b', null)
    await first.put('a', 2)
    const second = openCache(path)
    assert.equal(await second.get('a'), 2)
    assert.equal(await second.get('b'), null)
    assert.equal(await second.get('c'), undefined)
    assert.deepEqual([await first.get('a'), await memoryCache().get('a')], [2, undefined])
  })

  it('keeps what is put at once whole and in order', async () => {
    const path = join(folder, 'at-once.jsonl')
    const cache = openCache(path)
    const long = 'x'.repeat(1e5)
    await Promise.all(Array.from({ length: 20 }, (_, i) => cache.put(`${i % 7}`, `${i} ${long}`)))
    const again = openCache(path)
    for (const key of ['0', '3', '6']) assert.equal(await again.get(key), await cache.get(key))
    assert.match(String(await again.get('5')), /^19 x+$/)
  })

  it('tells of a place where nothing can be kept', async () => {
    const path = join(folder, 'taken')
    mkdirSync(path)
    await assert.rejects(openCache(path).get('a'), /EISDIR/)
  })

  it('skips a line that a kill cut off, and goes on behind it', async () => {
    const path = join(folder, 'torn.jsonl')
    await openCache(path).put('a', 1)
    appendFileSync(path, '["b",{"err')
    const resumed = openCache(path)
    assert.equal(await resumed.get('b'), undefined)
    await resumed.put('b', 3)
    const again = openCache(path)
    assert.deepEqual([await again.get('a'), await again.get('b')], [1, 3])
  })
})
