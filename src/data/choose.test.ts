import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { chooseSamples, splitSamples } from './choose.ts'

describe('chooseSamples', () => {
  it('takes floor((i + 0.5) * total / count)', () => {
    assert.deepEqual(chooseSamples(10, 4), [1, 3, 6, 8])
    assert.deepEqual(chooseSamples(500, 2), [125, 375])
  })

  it('takes all when there are not more', () => {
    assert.deepEqual(chooseSamples(3, 3), [0, 1, 2])
    assert.deepEqual(chooseSamples(3, 99), [0, 1, 2])
    assert.deepEqual(chooseSamples(3, 0), [])
  })
})

describe('splitSamples', () => {
  it('gives every index to exactly one part', () => {
    fc.assert(
      fc.property(fc.nat(300), fc.nat(400), (total, count) => {
        const { calibration, rest } = splitSamples(total, count)
        assert.equal(calibration.length, Math.min(total, count))
        const all = [...calibration, ...rest].sort((a, b) => a - b)
        assert.deepEqual(
          all,
          Array.from({ length: total }, (_, index) => index),
        )
      }),
    )
  })
})
