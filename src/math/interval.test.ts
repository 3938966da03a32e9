import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { mcNemarP, pairedDifference, wilsonInterval } from './interval.ts'

describe('intervals', () => {
  it("Wilson's interval of 5 of 10 is 0.2366..0.7634", () => {
    const { low, high } = wilsonInterval(5, 10)
    assert.ok(Math.abs(low - 0.2366) < 1e-4 && Math.abs(high - 0.7634) < 1e-4)
  })

  it("Wilson's interval stays inside 0..1 and is everything without samples", () => {
    assert.deepEqual(wilsonInterval(0, 0), { low: 0, high: 1 })
    assert.equal(wilsonInterval(0, 20).low, 0)
    assert.equal(wilsonInterval(20, 20).high, 1)
  })

  it('a paired difference counts only samples on which one model is right', () => {
    const { difference, standardError } = pairedDifference(6, 4, 100)
    assert.ok(Math.abs(difference + 0.02) < 1e-12)
    assert.ok(Math.abs(standardError - Math.sqrt((0.1 - 0.0004) / 100)) < 1e-12)
  })

  it('McNemar’s mid-p of 1 against 9 is 0.0117, and symmetric', () => {
    assert.ok(Math.abs(mcNemarP(1, 9) - 12 / 1024) < 1e-12)
    assert.equal(mcNemarP(9, 1), mcNemarP(1, 9))
  })

  it('McNemar’s mid-p is 1 without or with balanced disagreement, and does not underflow', () => {
    assert.equal(mcNemarP(0, 0), 1)
    assert.ok(Math.abs(mcNemarP(4, 4) - 1) < 1e-12)
    const p = mcNemarP(2400, 2600)
    assert.ok(p > 0.004 && p < 0.006, String(p))
  })
})
