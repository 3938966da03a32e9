import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { indexTicks } from './axis.ts'
import { drawBadges } from './badges.ts'
import { countScale, linearScale, pixel } from './scale.ts'

const finite = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e12, max: 1e12 })

describe('scales', () => {
  it('put ticks at round values and widen the domain to them', () => {
    const scale = linearScale({ domain: [0.2, 8.7], range: [0, 100] })
    assert.deepEqual(
      [scale.domain, scale.ticks],
      [
        [0, 10],
        [0, 2, 4, 6, 8, 10],
      ],
    )
    assert.equal(scale.at(5), 50)
  })

  it('keep the domain when asked, and ticks inside of it', () => {
    const scale = linearScale({ domain: [0.2, 8.7], range: [0, 100], nice: false })
    assert.deepEqual(
      [scale.domain, scale.ticks],
      [
        [0.2, 8.7],
        [2, 4, 6, 8],
      ],
    )
  })

  it('take binary dust off the ticks', () => {
    assert.deepEqual(linearScale({ domain: [0, 0.3], range: [0, 1], ticks: 3 }).ticks, [0, 0.1, 0.2, 0.3])
  })

  it('are finite, rising and of few ticks for any domain', () => {
    fc.assert(
      fc.property(finite, finite, (a, b) => {
        const scale = linearScale({ domain: [Math.min(a, b), Math.max(a, b)], range: [0, 100] })
        assert.ok(scale.ticks.length <= 12, `${scale.ticks.length} ticks`)
        assert.ok(Number.isFinite(scale.at(a)) && scale.at(Math.max(a, b)) >= scale.at(Math.min(a, b)))
      }),
    )
  })

  it('show counts by powers of ten, with 0 in place', () => {
    const scale = countScale({ domain: [0, 1000], range: [100, 0] })
    assert.deepEqual(scale.ticks, [0, 1, 10, 100, 1000])
    assert.deepEqual([scale.at(0), Math.round(scale.at(1000))], [100, 0])
  })

  it('write coordinates to a tenth of a pixel, never −0', () => {
    assert.deepEqual([1 / 3, -0.01, 5].map(pixel), ['0.3', '0', '5'])
  })
})

describe('ticks of numbered items', () => {
  it('begin with 1 and end with the last one', () => {
    assert.deepEqual(indexTicks(3, 20), [1, 2, 3])
    assert.deepEqual(indexTicks(46, 10), [1, 5, 10, 15, 20, 25, 30, 35, 40, 46])
    assert.deepEqual(indexTicks(0, 10), [])
  })
})

describe('badges', () => {
  it('do not cover each other, nor leave the paper', () => {
    const spots = ['1', '2', '3'].map((text) => ({ x: 50, y: 60, text }))
    const heights = [...drawBadges(spots, 120).text.matchAll(/cy="([\d.]+)"/g)].map((match) => Number(match[1]))
    assert.deepEqual(heights, [77, 43, 95])
  })
})
