import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Batch } from '../data/index.ts'
import type { Values } from '../runtime/index.ts'
import { Comparer, comparisonNotes } from './compare.ts'

const y = (rows: readonly (readonly number[])[]): Values => ({
  y: { dtype: 'float32', dims: [rows.length, 3], data: Float32Array.from(rows.flat()) },
})
const batch = (...ids: string[]): Batch => ({ ids, size: ids.length, inputs: {} })
const good = [1, 2, 4]
const near = [1, 2, 4.5]
const nan = [Number.NaN, 2, 4]

describe('comparing with an original that is not finite', () => {
  const compared = (before: readonly number[][], after: readonly number[][], ids: string[]) => {
    const comparer = new Comparer()
    comparer.add(y(before), y(after), batch(...ids))
    return comparer.result()
  }

  it('leaves out what the original does not know, and names the samples', () => {
    const alone = compared([good, good], [near, near], ['a', 'b'])
    for (const other of [nan, [7, 8, 9]]) {
      const result = compared([good, nan, good], [near, other, near], ['a', 'bad', 'b'])
      assert.deepEqual([result.agreement, result.kl], [alone.agreement, alone.kl])
      // Of the sample that is bad the other values count.
      assert.ok(Number.isFinite(result.sqnrDb['y']))
      assert.deepEqual(comparisonNotes(result), [
        'the original itself gives NaN in y for 1 of 3 samples (bad): those values are in no SQNR, agreement or KL',
      ])
    }
    assert.deepEqual(comparisonNotes(alone), [])
  })

  it('an original without any finite value is compared with nothing', () => {
    const all = [Number.NaN, Number.NaN, Number.NaN]
    const { sqnrDb, agreement, leftOut } = compared([all], [good], ['a'])
    assert.deepEqual([sqnrDb, agreement], [{}, undefined])
    assert.match(leftOut ?? '', /for 1 of 1 samples \(a\)/)
  })

  it('infinities, as masks leave them, spoil nothing but the KL of their rows', () => {
    const masked = [Number.NEGATIVE_INFINITY, 2, 4]
    const { agreement, kl, sqnrDb } = compared([masked, good], [masked, good], ['a', 'b'])
    assert.deepEqual([agreement, kl, sqnrDb['y']], [1, 0, null])
  })

  it('NaN of the other model alone is the worst that can be', () => {
    const { sqnrDb, leftOut } = compared([good], [nan], ['a'])
    assert.ok(Number.isNaN(sqnrDb['y']))
    assert.equal(leftOut, undefined)
  })
})
