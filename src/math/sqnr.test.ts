import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { cosineSimilarity, meanSquaredError, SqnrAccumulator, sqnrDb } from './sqnr.ts'

describe('SQNR and its relatives', () => {
  it('an exact match has no SQNR, and an error of a tenth gives 20 dB', () => {
    assert.equal(sqnrDb([1, 2], [1, 2]), null)
    assert.ok(Math.abs((sqnrDb([1, -1], [1.1, -1.1]) ?? 0) - 20) < 1e-9)
  })

  it('SQNR of pieces is that of the whole', () => {
    const sum = new SqnrAccumulator()
    sum.add([1, 2], [1, 2.5])
    sum.add([3], [3.25])
    assert.equal(sum.db, sqnrDb([1, 2, 3], [1, 2.5, 3.25]))
  })

  it('a NaN is never taken for a match', () => {
    assert.ok(Number.isNaN(sqnrDb([1], [Number.NaN])))
  })

  it('mean squared error and cosine', () => {
    assert.equal(meanSquaredError([1, 2], [1, 4]), 2)
    assert.equal(cosineSimilarity([1, 0], [2, 0]), 1)
    assert.equal(cosineSimilarity([1, 0], [0, 2]), 0)
    assert.equal(cosineSimilarity([0], [0]), 1)
  })
})
