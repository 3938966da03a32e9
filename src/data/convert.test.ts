import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { convertValue } from './convert.ts'

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
