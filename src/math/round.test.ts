import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { nextDown, roundToEven } from './round.ts'

describe('rounding', () => {
  it('rounds ties to even and leaves large and infinite values alone', () => {
    assert.deepEqual(
      [0.5, 1.5, 2.5, -0.5, -1.5, 0.49999999999999994].map((x) => roundToEven(x) + 0),
      [0, 2, 2, 0, -2, 0],
    )
    assert.equal(roundToEven(2 ** 60), 2 ** 60)
    assert.equal(roundToEven(Number.NEGATIVE_INFINITY), Number.NEGATIVE_INFINITY)
  })

  it('the float32 below 1 is 1 − 2^-24', () => {
    assert.equal(nextDown(1), 1 - 2 ** -24)
  })
})
