import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { outlierLimit, spreadOf, summarizeRanges, summaryOfRows } from './range-summary.ts'

const zeros = (count: number): number[] => new Array<number>(count).fill(0)

describe('range summary', () => {
  it('gives five numbers by linear interpolation', () => {
    const summary = summarizeRanges(zeros(4), [4, 1, 3, 2])
    assert.deepEqual(summary.fiveNumbers, [1, 1.75, 2.5, 3.25, 4])
    assert.deepEqual([summary.channels, summary.outlierCount, summary.deadCount], [4, 0, 0])
  })

  it('marks channels above Q3 + 1.5 IQR, the widest first', () => {
    const summary = summarizeRanges([-1, -1, -1, -1, -20, -10], [1, 1.1, 1.2, 1.3, 20, 10])
    assert.deepEqual(summary.outliers, [4])
    assert.ok(outlierLimit(summary) > 20 && outlierLimit(summary) < 40)
    assert.ok(Math.abs(spreadOf(summary) - 40 / 2.25) < 1e-12)
  })

  it('leaves dead channels out of the quartiles, and lists them', () => {
    const summary = summarizeRanges(zeros(5), [0, 1, 1, 2, 1e-9])
    assert.deepEqual(summary.dead, [0, 4])
    assert.equal(summary.fiveNumbers[0], 1)
  })

  it('takes a layer of dead channels, or none, without a figure that is not a number', () => {
    for (const count of [0, 3]) {
      const summary = summarizeRanges(zeros(count), zeros(count))
      assert.deepEqual(summary.fiveNumbers, [0, 0, 0, 0, 0])
      assert.equal(spreadOf(summary), 1)
      assert.equal(summary.deadCount, count)
    }
  })

  it('counts every outlier and names at most 64', () => {
    const wide = Array.from({ length: 1000 }, (_, channel) => (channel % 5 === 0 ? 100 + channel : 1))
    const summary = summarizeRanges(zeros(1000), wide)
    assert.equal(summary.outlierCount, 200)
    assert.equal(summary.outliers.length, 64)
    assert.equal(summary.outliers[0], 995)
  })

  it('says nothing of buckets', () => {
    assert.equal(summaryOfRows({ min: [0], mean: [0], max: [1], bucketed: 2 }), undefined)
  })
})
