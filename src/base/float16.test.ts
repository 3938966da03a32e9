import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { float16ToFloat32, float32ToFloat16, fromFloat16Bits, toFloat16Bits } from './float16.ts'

describe('float16', () => {
  it('every bit pattern that is not NaN survives the way to float32 and back', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((bits) => (bits & 0x7fff) <= 0x7c00)
    assert.deepEqual(float32ToFloat16(float16ToFloat32(all)), all)
  })

  it('known values have known bits', () => {
    const known: [number, number][] = [
      [1, 0x3c00],
      [-2, 0xc000],
      [65504, 0x7bff],
      [65519.996, 0x7bff],
      [65520, 0x7c00],
      [2 ** -14, 0x0400],
      [2 ** -24, 1],
      [2 ** -25, 0],
      [2 ** -25 * 1.001, 1],
      [1 / 3, 0x3555],
      [Number.NEGATIVE_INFINITY, 0xfc00],
    ]
    for (const [value, bits] of known) assert.equal(toFloat16Bits(value), bits, String(value))
    assert.ok(Number.isNaN(fromFloat16Bits(toFloat16Bits(Number.NaN))))
  })

  it('rounds to the nearest, ties to even', () => {
    fc.assert(
      fc.property(fc.float({ min: -65504, max: 65504, noNaN: true }), (value) => {
        const bits = toFloat16Bits(value)
        const error = Math.abs(fromFloat16Bits(bits) - value)
        for (const neighbour of [bits - 1, bits + 1]) {
          const other = Math.abs(fromFloat16Bits(neighbour) - value)
          if (Number.isNaN(other)) continue
          assert.ok(error < other || (error === other && bits % 2 === 0), `${value} → ${bits}, nearer: ${neighbour}`)
        }
      }),
      { numRuns: 2000 },
    )
  })
})
