import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isBetter, leastOfEqualization, type Score } from './judge.ts'

const score = (db: number, kl?: number, samples = 16): Score => ({
  db,
  comparison: { samples, sqnrDb: { y: db }, ...(kl === undefined ? {} : { kl }) },
})

describe('the judge', () => {
  it('asks for a tenth of a dB', () => {
    assert.equal(isBetter(score(20.05), score(20)), false)
    assert.equal(isBetter(score(20.2), score(20)), true)
  })

  it('lets a worse KL count as it is from 64 samples on, and only a collapse of fewer', () => {
    assert.equal(isBetter(score(20.3, 0.026), score(20, 0.015)), true)
    assert.equal(isBetter(score(20.3, 0.04), score(20, 0.015)), false)
    assert.equal(isBetter(score(20.3, 0.026, 64), score(20, 0.015, 64)), false)
    assert.equal(isBetter(score(21.5, 0.026, 64), score(20, 0.015, 64)), true)
  })

  it('never prefers what is not a number', () => {
    assert.equal(isBetter(score(Number.NaN), score(-10)), false)
  })

  it('asks more of equalisation the smaller its largest tensor is', () => {
    const shapes = new Map([
      ['small', { dtype: 'float32' as const, dims: [1, 8] }],
      ['map', { dtype: 'float32' as const, dims: [4, 8192] }],
      ['large', { dtype: 'float32' as const, dims: [1, 64, 512, 512] }],
    ])
    assert.ok(Math.abs(leastOfEqualization(['small'], shapes) - 2) < 0.01)
    assert.equal(leastOfEqualization(['small', 'map'], shapes), 1.25)
    assert.ok(Math.abs(leastOfEqualization(['map', 'large'], shapes) - 0.5) < 0.01)
  })
})
