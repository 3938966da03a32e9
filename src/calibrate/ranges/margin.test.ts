import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomStream } from '../../math/index.ts'
import { marginOf } from './margin.ts'

const random = randomStream(0, 'margins')
/** Largest of `size` values, for each of `count` samples. */
const extremes = (count: number, size: number, draw: () => number) =>
  Array.from({ length: count }, () => Math.max(...Array.from({ length: size }, draw)))

describe('the margin of a range', () => {
  it('lies where new samples rarely reach, when a sample has few values', () => {
    let exceeded = 0
    for (let round = 0; round < 50; round++) {
      const seen = extremes(16, 24, random.normal)
      const end = Math.max(...seen) + marginOf(seen, 24, 3)
      exceeded += extremes(100, 24, random.normal).filter((x) => x > end).length
    }
    // Without a margin one new sample in 17 exceeds 16 samples.
    assert.ok(exceeded / 5000 < 0.025, `${exceeded} of 5000 samples lie beyond`)
  })

  it('is nothing for a large map: its rounding would cost more than a clipped value', () => {
    assert.equal(marginOf(extremes(64, 100, random.normal), 500_000, 3), 0)
  })

  it('shrinks with the number of samples', () => {
    const mean = (count: number) => {
      const all = Array.from({ length: 40 }, () => marginOf(extremes(count, 24, random.normal), 2000, 3))
      return all.reduce((a, b) => a + b, 0) / all.length
    }
    const [few, many] = [mean(8), mean(128)]
    assert.ok(many < 0.7 * few, `${few} of 8, ${many} of 128`)
  })

  it('is nothing where all samples end at one value, and where there are too few to tell', () => {
    assert.equal(marginOf([1, 1, 1, 1, 1, 1], 24, 0), 0)
    assert.equal(marginOf([1, 2, 3], 24, 0), 0)
    assert.equal(marginOf([-1, -2, -3, -4], 24, 5), 0)
  })

  it('is at most an eighth of the range', () => {
    assert.ok(marginOf([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 9, 10], 1, 2) <= 1.5)
  })
})
