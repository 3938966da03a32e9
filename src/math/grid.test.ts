import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  asymmetricGrid,
  codeRange,
  dequantize,
  effectiveRange,
  packNibbles,
  type QuantParams,
  type QuantType,
  quantize,
  symmetricGrid,
} from './grid.ts'

const one = (dtype: QuantType, scale: number, zeroPoint: number): QuantParams => ({
  dtype,
  scale: Float32Array.of(scale),
  zeroPoint: Int32Array.of(zeroPoint),
})

describe('the integer grid', () => {
  it('rounds ties to even and saturates', () => {
    const codes = quantize(Float32Array.of(0.5, 1.5, 2.5, -0.5, -1.5, 1e30, -1e30), one('int8', 1, 0), [7])
    assert.deepEqual([...codes], [0, 2, 2, 0, -2, 127, -128])
  })

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
    for (const high of [6, 1, 0.1, 5.999, 20, 3.3]) {
      const grid = asymmetricGrid(0, high, 'uint8', { low: 0, high })
      const range = effectiveRange(grid, 'uint8')
      assert.ok(range.high <= Math.fround(high) && range.low >= 0, `${high}: ${range.low}..${range.high}`)
    }
  })

  it('gives an empty or denormal range scale 1 and zero point 0', () => {
    assert.deepEqual(asymmetricGrid(0, 0, 'uint8'), { scale: 1, zeroPoint: 0 })
    assert.deepEqual(asymmetricGrid(0, 1e-45, 'uint8'), { scale: 1, zeroPoint: 0 })
    assert.deepEqual(symmetricGrid(0, 'int8'), { scale: 1, zeroPoint: 0 })
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

  it('packs two 4-bit codes to a byte, the low nibble first', () => {
    assert.deepEqual([...packNibbles(Int8Array.of(1, -1, -8))], [0xf1, 0x08])
  })

  it('quantises each channel along its axis with its own scale', () => {
    const params: QuantParams = { dtype: 'int8', scale: Float32Array.of(1, 0.5), zeroPoint: new Int32Array(2), axis: 1 }
    assert.deepEqual([...quantize(Float32Array.of(1, 2, 1, 2), params, [2, 2])], [1, 4, 1, 4])
  })

  const golden = join(process.env['ONNXPRESS_SHARED'] ?? '../shared', 'golden', 'quant-params.json')
  it('gives the scale and zero point of an independent implementation', {
    skip: existsSync(golden) ? false : `no figures at ${golden}`,
  }, () => {
    const { cases } = JSON.parse(readFileSync(golden, 'utf8')) as { cases: GoldenCase[] }
    let checked = 0
    for (const { input, options, expected } of cases) {
      const min = input.min ?? input.lo
      const max = input.max ?? input.hi
      if (
        options?.scheme !== 'asymmetric' ||
        (options.bits ?? input.bits) !== 8 ||
        typeof min !== 'number' ||
        typeof max !== 'number'
      )
        continue
      const grid = asymmetricGrid(min, max, 'uint8')
      assert.ok(
        Math.abs(grid.scale - expected.scale) <= 1e-7 * expected.scale,
        `${min}..${max}: scale ${grid.scale}, expected ${expected.scale}`,
      )
      const half = Math.abs(((Math.abs(Math.min(min, 0)) / expected.scale) % 1) - 0.5)
      assert.ok(Math.abs(grid.zeroPoint - expected.zero_point) <= (half < 1e-4 ? 1 : 0))
      checked++
    }
    assert.ok(checked > 0, `${cases.length} cases, none of them asymmetric 8 bit: ${JSON.stringify(cases[0])}`)
  })
})

interface GoldenCase {
  readonly input: { min?: number; max?: number; lo?: number; hi?: number; bits?: number }
  readonly options?: { scheme?: string; bits?: number }
  readonly expected: { scale: number; zero_point: number }
}
