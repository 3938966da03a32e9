import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Tensor } from '../onnx/index.ts'
import { doublesOf, floatTensor } from './float-tensor.ts'

describe('floatTensor', () => {
  it('gives every finite float16 and bfloat16 back unchanged', () => {
    for (const [dtype, exponent] of [
      ['float16', 0x7c00],
      ['bfloat16', 0x7f80],
    ] as const) {
      const bits = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((half) => (half & exponent) !== exponent)
      const half = new Tensor(dtype, [bits.length], new Uint8Array(bits.buffer))
      assert.deepEqual(floatTensor(dtype, [bits.length], doublesOf(half)).values(), bits)
    }
  })

  it('keeps float64 exact', () => {
    assert.deepEqual([...doublesOf(floatTensor('float64', [1], [1 + 2 ** -50]))], [1 + 2 ** -50])
  })

  it('refuses integer types', () => {
    assert.throws(() => floatTensor('int8', [1], [1]), /cannot compute with int8 weights/)
  })
})
