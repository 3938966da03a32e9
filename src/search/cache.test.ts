import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { openCache } from './index.node.ts'
import { memoryCache } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-cache-'))

describe('the evaluation cache', () => {
  after(() => rmSync(folder, { recursive: true }))

  it('remembers what was put into it, in the next process as well', () => {
    const path = join(folder, 'deep', 'cache.jsonl')
    const first = openCache(path)
    first.put('a', { errors: [0.1, 1 / 3] })
    first.put('b', null)
    first.put('a', 2)
    const second = openCache(path)
    assert.equal(second.get('a'), 2)
    assert.equal(second.get('b'), null)
    assert.equal(second.get('c'), undefined)
    assert.deepEqual([first.get('a'), memoryCache().get('a')], [2, undefined])
  })

  it('skips a line that a kill cut off, and goes on behind it', () => {
    const path = join(folder, 'torn.jsonl')
    openCache(path).put('a', 1)
    appendFileSync(path, '["b",{"err')
    const resumed = openCache(path)
    assert.equal(resumed.get('b'), undefined)
    resumed.put('b', 3)
    const again = openCache(path)
    assert.deepEqual([again.get('a'), again.get('b')], [1, 3])
  })
})
