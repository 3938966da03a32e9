import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { assertNear } from '../../../test/support/assert-near.ts'
import {
  betaAt,
  inverseOf,
  rectifiedSigmoid,
  rectifiedSigmoidSlope,
  regularizer,
  regularizerSlope,
} from './relaxation.ts'

/** Slope between two points near `v`; kinks lie further away than that. */
const slopeOf = (f: (v: number) => number, v: number) => (f(v + 1e-6) - f(v - 1e-6)) / 2e-6

describe('the rectified sigmoid', () => {
  it('is half in the middle, and reaches 0 and 1 at ±ln 11', () => {
    // σ(V)·1.2 − 0.1 = 1 where σ(V) = 11/12.
    assertNear([rectifiedSigmoid(0)], [0.5], 1e-15)
    assert.ok(rectifiedSigmoid(Math.log(11) - 0.01) < 1)
    assert.equal(rectifiedSigmoid(Math.log(11) + 0.01), 1)
    assert.ok(rectifiedSigmoid(0.01 - Math.log(11)) > 0)
    assert.deepEqual([rectifiedSigmoid(-0.01 - Math.log(11)), rectifiedSigmoid(-800), rectifiedSigmoid(800)], [0, 0, 1])
  })

  it('is taken back by its inverse', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (share) =>
        assertNear([rectifiedSigmoid(inverseOf(share))], [share], 1e-12),
      ),
    )
  })

  it('has the slope that differences have, and none where it is clipped', () => {
    for (const v of [-2.3, -1, 0, 0.7, 2.3])
      assertNear([rectifiedSigmoidSlope(v)], [slopeOf(rectifiedSigmoid, v)], 1e-8, `slope at ${v}`)
    assert.deepEqual([rectifiedSigmoidSlope(2.5), rectifiedSigmoidSlope(-2.5)], [0, 0])
    // 1.2 · σ'(0)
    assertNear([rectifiedSigmoidSlope(0)], [0.3], 1e-15)
  })
})

describe('the regulariser', () => {
  it('is nothing where every share is decided, and one for each that lies in the middle', () => {
    assert.equal(regularizer([3, -3, 9], 2), 0)
    assert.equal(regularizer([3, 0, 0, -9], 2), 2)
    assert.equal(regularizer([], 2), 0)
    // h = 3/4: 1 − |1/2|^2
    assertNear([regularizer([inverseOf(0.75)], 2)], [0.75], 1e-12)
  })

  it('has the slope that differences have', () => {
    for (const beta of [1.5, 2, 20])
      for (const v of [-2, -0.4, 0.3, 1.9])
        assertNear(
          [regularizerSlope(v, beta)],
          [slopeOf((at) => regularizer([at], beta), v)],
          1e-7,
          `slope at ${v}, exponent ${beta}`,
        )
    assertNear([regularizerSlope(0, 2), regularizerSlope(5, 2)], [0, 0], 1e-12)
  })
})

describe('the exponent of the regulariser', () => {
  const schedule = { iterations: 1000, warmStart: 0.2, from: 20, to: 2 }

  it('is none while it is warm, then falls as half a cosine', () => {
    assert.equal(betaAt(0, schedule), undefined)
    assert.equal(betaAt(199, schedule), undefined)
    assert.equal(betaAt(200, schedule), 20)
    assertNear([betaAt(600, schedule) ?? 0, betaAt(1000, schedule) ?? 0], [11, 2], 1e-12)
    // A third of the way: (1 + cos 60°)/2 = 3/4 of the fall is left.
    assertNear([betaAt(200 + 800 / 3, schedule) ?? 0], [2 + 18 * 0.75], 1e-12)
  })

  it('is there from the first step without a warm start', () => {
    assert.equal(betaAt(0, { ...schedule, warmStart: 0 }), 20)
  })
})
