import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { float32ToFloat16 } from '../math/index.ts'
import type { Values } from '../runtime/index.ts'
import { distance, randomLike } from './prove.ts'

const half = (...values: number[]): Values => ({
  y: { dtype: 'float16', dims: [values.length], data: float32ToFloat16(Float32Array.from(values)) },
})

describe('prove', () => {
  it('compares what float16 bits stand for', () => {
    // One step apart, at the change of a sign: the bits are 32,768 apart.
    assert.deepEqual(distance(half(1, 0.0001), half(1, -0.0001)).same, true)
    const { db, same } = distance(half(1, 2), half(1.01, 2))
    assert.equal(same, false)
    assert.ok(db !== null && Math.abs(db - 47) < 1, `${db}`)
    assert.deepEqual(distance(half(1, Number.NaN), half(1, Number.NaN)), { db: null, same: true })
  })

  it('compares 64-bit integers and millions of floats without copies', () => {
    const ints = (value: bigint): Values => ({ y: { dtype: 'int64', dims: [1], data: BigInt64Array.of(value) } })
    assert.deepEqual(distance(ints(3n), ints(3n)), { db: null, same: true })
    assert.equal(distance(ints(3n), ints(4n)).same, false)
    const data = new Float32Array(2 ** 22).fill(0.5)
    const other = data.slice()
    other[2 ** 22 - 1] = 0.75
    const start = process.memoryUsage.rss()
    const { db } = distance(
      { y: { dtype: 'float32', dims: [data.length], data } },
      { y: { dtype: 'float32', dims: [data.length], data: other } },
    )
    assert.ok(db !== null && Math.abs(db - 10 * Math.log10((2 ** 22 * 0.25) / 0.0625)) < 1e-6, `${db}`)
    assert.ok(process.memoryUsage.rss() - start < 48e6, 'the outputs were copied')
  })

  it('draws random float16 inputs within the range of the sample', () => {
    const { y } = randomLike(half(-2, 3))
    assert.equal(y?.dtype, 'float16')
    const values = distance(half(-2, 3), { y: y ?? half(0)['y'] } as Values)
    assert.notEqual(values.db, Number.NEGATIVE_INFINITY)
  })
})
