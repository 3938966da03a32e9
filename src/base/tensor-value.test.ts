import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { InputError } from './errors.ts'
import { concatValues, float32Of, isValueType, setElement, sliceValue, type TensorValue } from './tensor-value.ts'

const value = (dims: number[], first = 0): TensorValue<'float32'> => ({
  dtype: 'float32',
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => first + i),
})

describe('tensor values', () => {
  it('are joined along any axis, and sliced back', () => {
    for (const axis of [0, 1, 2]) {
      const dims = (length: number) => [2, 3, 2].map((dim, i) => (i === axis ? length : dim))
      const [a, b] = [value(dims(1)), value(dims(3), 100)]
      const joined = concatValues([a, b], axis)
      assert.deepEqual(joined.dims, dims(4))
      assert.deepEqual(sliceValue(joined, axis, 0, 1), a)
      assert.deepEqual(sliceValue(joined, axis, 1, 4), b)
    }
  })

  it('are not copied where nothing is cut or joined', () => {
    const one = value([2, 2])
    assert.equal(concatValues([one]), one)
    assert.equal(sliceValue(one, 1, 0, 2), one)
    assert.equal(sliceValue(one, 0, 1, 2).data.buffer, one.data.buffer)
  })

  it('that do not fit together are refused with both shapes', () => {
    assert.throws(() => concatValues([]), InputError)
    assert.throws(
      () => concatValues([value([1, 2]), value([1, 3])]),
      /float32 \[1,2\] and float32 \[1,3\]; give all samples the same shape/,
    )
    assert.throws(() => float32Of({ dtype: 'int32', dims: [2], data: new Int32Array(2) }), /got int32 \[2\]/)
  })

  it('of 64 bits take whole numbers, towards 0', () => {
    const data = new BigInt64Array(2)
    setElement(data, 0, -2.7)
    setElement(data, 1, 2.7)
    assert.deepEqual([...data], [-2n, 2n])
    assert.deepEqual(
      concatValues([
        { dtype: 'int64', dims: [2], data },
        { dtype: 'int64', dims: [2], data },
      ]).dims,
      [4],
    )
  })

  it('have a type of the list, not of an object', () => {
    assert.ok(isValueType('float16'), 'float16')
    for (const name of ['string', 'toString', '']) assert.ok(!isValueType(name), name)
  })
})
