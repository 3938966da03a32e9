import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { argMax, interquartileRange, median, quantile } from './order.ts'

describe('order statistics', () => {
  it('arg-max takes the first of equals and never a NaN', () => {
    assert.equal(argMax([1, 3, 3]), 1)
    assert.equal(argMax([Number.NaN, 1]), 1)
    assert.equal(argMax([9, 1, 2], 1, 2), 1)
  })

  it('quantiles interpolate linearly', () => {
    assert.equal(quantile([4, 1, 3, 2], 0.5), 2.5)
    assert.equal(median([3, 1, 2]), 2)
    assert.equal(interquartileRange([0, 10, 20, 30, 40]), 20)
  })

  it('of nothing are NaN', () => {
    assert.ok(Number.isNaN(median([])))
  })
})
