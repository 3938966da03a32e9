import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { UsageError } from '../../base/index.ts'
import { repeated } from './repeated.ts'

describe('a larger batch of one sample', () => {
  const x = { dtype: 'float32' as const, dims: [1, 2], data: Float32Array.of(3, 4) }

  it('has it again and again', () => {
    const { x: many } = repeated(tinyModel('x[N,2] -> Relu -> y'), { x }, 3)
    assert.deepEqual(many?.dims, [3, 2])
    assert.deepEqual([...(many?.data as Float32Array)], [3, 4, 3, 4, 3, 4])
  })

  it('is refused where the model takes another one alone', () => {
    const fixed = tinyModel('x[1,2] -> Relu -> y')
    assert.throws(
      () => repeated(fixed, { x }, 3),
      (error) => error instanceof UsageError && /--batch 3/.test(error.message),
    )
    assert.deepEqual(repeated(fixed, { x }, 1)['x']?.dims, [1, 2])
  })
})
