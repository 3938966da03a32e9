import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { pairedDifference, wilsonInterval } from './interval.ts'
import { klDivergence } from './kl.ts'
import { argMax, median, quantile } from './order.ts'
import { randomStream } from './random.ts'
import { sqnrDb } from './sqnr.ts'

describe('numbers', () => {
  it('an exact match has no SQNR, and an error of a tenth gives 20 dB', () => {
    assert.equal(sqnrDb([1, 2], [1, 2]), null)
    assert.ok(Math.abs((sqnrDb([1, -1], [1.1, -1.1]) ?? 0) - 20) < 1e-9)
  })

  it('arg-max takes the first of equals and never a NaN', () => {
    assert.equal(argMax([1, 3, 3]), 1)
    assert.equal(argMax([Number.NaN, 1]), 1)
    assert.equal(argMax([9, 1, 2], 1, 2), 1)
  })

  it('quantiles interpolate linearly', () => {
    assert.equal(quantile([4, 1, 3, 2], 0.5), 2.5)
    assert.equal(median([3, 1, 2]), 2)
  })

  it('KL is 0 for equal logits, whatever constant is added', () => {
    assert.ok(klDivergence([1, 2, 3], [11, 12, 13]) < 1e-12)
    assert.ok(klDivergence([1, 2, 3], [3, 2, 1]) > 0.5)
  })

  it('KL takes values that sum to 1 as probabilities', () => {
    assert.ok(Math.abs(klDivergence([0.5, 0.5], [0.25, 0.75]) - (0.5 * Math.log(2) + 0.5 * Math.log(2 / 3))) < 1e-12)
  })

  it("Wilson's interval of 5 of 10 is 0.2366..0.7634", () => {
    const { low, high } = wilsonInterval(5, 10)
    assert.ok(Math.abs(low - 0.2366) < 1e-4 && Math.abs(high - 0.7634) < 1e-4)
  })

  it('a paired difference counts only samples on which one model is right', () => {
    const { difference, standardError } = pairedDifference(6, 4, 100)
    assert.ok(Math.abs(difference + 0.02) < 1e-12)
    assert.ok(Math.abs(standardError - Math.sqrt((0.1 - 0.0004) / 100)) < 1e-12)
  })

  it('the same seed and purpose give the same numbers, another purpose gives others', () => {
    const first = randomStream(1, 'a')
    const again = randomStream(1, 'a')
    const other = randomStream(1, 'b')
    const values = Array.from({ length: 1000 }, () => first.next())
    assert.deepEqual(
      values,
      Array.from({ length: 1000 }, () => again.next()),
    )
    assert.notEqual(values[0], other.next())
    assert.ok(Math.abs(values.reduce((a, b) => a + b) / 1000 - 0.5) < 0.05)
  })
})
