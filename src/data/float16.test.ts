import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { convertValue } from './convert.ts'
import { fromFloat16Bits, toFloat16Bits } from './float16.ts'

describe('float16', () => {
  it('every bit pattern survives the way there and back', () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = fromFloat16Bits(bits)
      if (!Number.isNaN(value)) assert.equal(toFloat16Bits(value), bits)
    }
    assert.ok(Number.isNaN(fromFloat16Bits(toFloat16Bits(Number.NaN))))
  })

  it('rounds to the nearest, ties to even', () => {
    assert.equal(fromFloat16Bits(toFloat16Bits(2049)), 2048)
    assert.equal(fromFloat16Bits(toFloat16Bits(2051)), 2052)
    assert.equal(fromFloat16Bits(toFloat16Bits(65519)), 65504)
    assert.equal(fromFloat16Bits(toFloat16Bits(65520)), Number.POSITIVE_INFINITY)
    assert.equal(toFloat16Bits(2 ** -25), 0)
    assert.equal(toFloat16Bits(1.5 * 2 ** -24), 2)
  })
})

describe('convertValue', () => {
  const value = { dtype: 'float32', dims: [5], data: Float32Array.of(-3.7, 0.5, 300, Number.NaN, 2.4) } as const

  it('rounds and saturates into integers', () => {
    assert.deepEqual([...convertValue(value, 'uint8').data], [0, 1, 255, 0, 2])
    assert.deepEqual([...convertValue(value, 'int64').data], [-4n, 1n, 300n, 0n, 2n])
  })

  it('carries float16 as bits, both ways', () => {
    const half = convertValue(value, 'float16')
    assert.ok(half.data instanceof Uint16Array)
    assert.equal(convertValue(half, 'float32').data[2], 300)
  })

  it('returns the same value when the type is the same', () => {
    assert.equal(convertValue(value, 'float32'), value)
  })
})
