import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { dequantize, quantize } from './codes.ts'
import golden from './fixtures/quant-params.json' with { type: 'json' }
import { asymmetricGrid, codeRange, effectiveRange, type QuantParams, type QuantType, symmetricGrid } from './grid.ts'

const one = (dtype: QuantType, scale: number, zeroPoint: number): QuantParams => ({
  dtype,
  scale: Float32Array.of(scale),
  zeroPoint: Int32Array.of(zeroPoint),
})

describe('the integer grid', () => {
  it('keeps zero exact and every inner value within half a step', () => {
    const end = fc.double({ min: -1e4, max: 1e4, noNaN: true })
    fc.assert(
      fc.property(end, end, fc.double({ min: 0, max: 1, noNaN: true }), (a, b, t) => {
        const low = Math.min(a, b, 0)
        const high = Math.max(a, b, 0)
        const grid = asymmetricGrid(low, high, 'uint8')
        const params = one('uint8', grid.scale, grid.zeroPoint)
        const value = Math.fround(low + t * (high - low))
        const back = dequantize(quantize(Float32Array.of(0, value), params, [2]), params, [2])
        assert.equal(back[0], 0)
        // Half a step, and another half at the ends because the zero point is rounded.
        assert.ok(Math.abs((back[1] ?? 0) - value) <= grid.scale * 1.001 + 1e-30)
      }),
    )
  })

  it('never goes beyond the bound of the activation in front of it', () => {
    const end = fc.float({ min: Math.fround(1e-3), max: 100, noNaN: true })
    const dtypes = fc.constantFrom<QuantType[]>('uint8', 'int8', 'uint16', 'int16', 'uint4', 'int4')
    fc.assert(
      fc.property(end, end, fc.boolean(), dtypes, (a, b, oneSided, dtype) => {
        const bound = { low: oneSided ? 0 : -a, high: b }
        const range = effectiveRange(asymmetricGrid(bound.low, bound.high, dtype, bound), dtype)
        assert.ok(range.high <= bound.high && range.low >= bound.low, `${range.low}..${range.high}`)
      }),
    )
  })

  it('gives away at most half a step for a bound on both sides', () => {
    assert.deepEqual(asymmetricGrid(-1, 1, 'uint8'), { scale: Math.fround(2 / 255), zeroPoint: 128 })
    assert.deepEqual(asymmetricGrid(-1, 1, 'uint8', { low: -1, high: 1 }), { scale: 1 / 128, zeroPoint: 128 })
  })

  it('holds a range that is wider than its bound inside the bound', () => {
    const range = effectiveRange(asymmetricGrid(-2, 9, 'uint8', { low: 0, high: 6 }), 'uint8')
    assert.ok(range.low === 0 && range.high <= 6 && range.high > 5.99)
  })

  it('gives an empty or denormal range scale 1 and zero point 0', () => {
    assert.deepEqual(asymmetricGrid(0, 0, 'uint8'), { scale: 1, zeroPoint: 0 })
    assert.deepEqual(asymmetricGrid(0, 1e-45, 'uint8'), { scale: 1, zeroPoint: 0 })
    assert.deepEqual(asymmetricGrid(0, 0, 'int8'), { scale: 1, zeroPoint: 0 })
    assert.deepEqual(symmetricGrid(0, 'int8'), { scale: 1, zeroPoint: 0 })
  })

  it('keeps an empty range inside its bound too', () => {
    const bound = { low: 0, high: 6 }
    const range = effectiveRange(asymmetricGrid(0, 0, 'int8', bound), 'int8')
    assert.ok(range.low === 0 && range.high > 5.99 && range.high <= 6)
  })

  it('refuses ranges that are not finite', () => {
    assert.throws(() => asymmetricGrid(Number.NaN, 1, 'uint8'), /finite/)
    assert.throws(() => symmetricGrid(Number.POSITIVE_INFINITY, 'int8'), /finite/)
  })

  it('drops the lowest code of a narrow signed type', () => {
    assert.deepEqual(codeRange('int8', true), { low: -127, high: 127 })
    assert.deepEqual(codeRange('int8'), { low: -128, high: 127 })
    assert.deepEqual(codeRange('uint16'), { low: 0, high: 65535 })
  })

  it('gives the scales and zero points of numpy and of ONNX Runtime’s quantiser', () => {
    for (const { min, max, dtype, symmetric, scale, zeroPoint } of golden.cases) {
      const type = dtype as QuantType
      const grid = symmetric ? symmetricGrid(Math.max(-min, max), type) : asymmetricGrid(min, max, type)
      const where = `${dtype} ${min}..${max}: ${grid.scale}, ${grid.zeroPoint}`
      assert.ok(Math.abs(grid.scale - scale) <= 1.2e-7 * scale, where)
      assert.equal(grid.zeroPoint, zeroPoint, where)
    }
  })
})
