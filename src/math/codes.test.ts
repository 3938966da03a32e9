import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { dequantize, fakeQuantize, packNibbles, quantize, unpackNibbles } from './codes.ts'
import golden from './fixtures/quant-dequant.json' with { type: 'json' }
import type { QuantParams, QuantType } from './grid.ts'

const one = (dtype: QuantType, scale: number, zeroPoint: number): QuantParams => ({
  dtype,
  scale: Float32Array.of(scale),
  zeroPoint: Int32Array.of(zeroPoint),
})

describe('quantising values', () => {
  it('rounds ties to even and saturates', () => {
    const values = Float32Array.of(0.5, 1.5, 2.5, -0.5, -1.5, 1e30, -1e30, Number.NEGATIVE_INFINITY)
    assert.deepEqual([...quantize(values, one('int8', 1, 0), [8])], [0, 2, 2, 0, -2, 127, -128, -128])
    assert.deepEqual([...quantize(values, one('int8', 1, 0), [8], true)], [0, 2, 2, 0, -2, 127, -127, -127])
  })

  it('divides in float32, as ONNX Runtime does', () => {
    // 0.05f / 0.1f is exactly 0.5 in float32, a tie; in float64 it is above.
    assert.deepEqual([...quantize(Float32Array.of(0.05, 0.15), one('uint8', 0.1, 0), [2])], [0, 2])
  })

  it('gives ONNX Runtime’s codes and float32 values to the bit, ties and per-axis scales included', () => {
    for (const item of golden.cases) {
      const params: QuantParams = {
        dtype: item.type as QuantType,
        scale: Float32Array.from(item.scale),
        zeroPoint: Int32Array.from(item.zeroPoint),
        ...('axis' in item ? { axis: item.axis } : {}),
      }
      const codes = quantize(Float32Array.from(item.x), params, item.dims)
      assert.deepEqual([...codes], item.q, `${item.type} ${item.scale} ${item.zeroPoint}`)
      // + 0: the figures do not tell −0 from 0.
      assert.deepEqual(
        [...dequantize(codes, params, item.dims)].map((y) => y + 0),
        item.y.map((y) => y + 0),
      )
    }
  })

  it('quantises each channel along its axis with its own scale', () => {
    const params: QuantParams = { dtype: 'int8', scale: Float32Array.of(1, 0.5), zeroPoint: new Int32Array(2), axis: 1 }
    assert.deepEqual([...quantize(Float32Array.of(1, 2, 1, 2), params, [2, 2])], [1, 4, 1, 4])
    assert.throws(() => quantize(new Float32Array(3), params, [1, 3]), /2 scales for axis 1/)
  })

  it('fake quantisation is idempotent', () => {
    const params = one('uint8', 0.013, 77)
    fc.assert(
      fc.property(fc.float32Array({ noNaN: true }), (values) => {
        const once = fakeQuantize(values, params, [values.length])
        assert.deepEqual(fakeQuantize(once, params, [values.length]), once)
      }),
    )
  })

  it('takes empty tensors', () => {
    const params: QuantParams = { dtype: 'int8', scale: Float32Array.of(1, 1), zeroPoint: new Int32Array(2), axis: 0 }
    assert.equal(quantize(new Float32Array(0), params, [2, 0]).length, 0)
  })

  it('packs two 4-bit codes to a byte, the low nibble first', () => {
    assert.deepEqual([...packNibbles(Int8Array.of(1, -1, -8))], [0xf1, 0x08])
    assert.throws(() => packNibbles(Int16Array.of(1)), /4-bit/)
  })

  it('unpacks what it packed', () => {
    const signed = Int8Array.from({ length: 15 }, (_, i) => i - 8)
    assert.deepEqual(unpackNibbles(packNibbles(signed), 'int4', 15), signed)
    const unsigned = Uint8Array.from({ length: 16 }, (_, i) => i)
    assert.deepEqual(unpackNibbles(packNibbles(unsigned), 'uint4', 16), unsigned)
  })
})
