import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomStream } from '../../base/index.ts'
import { gram, matrix, multiply, transpose } from './matrix.ts'

describe('matrices', () => {
  it('multiply row by column', () => {
    const a = matrix(2, 3, Float64Array.of(1, 2, 3, 4, 5, 6))
    const b = matrix(3, 2, Float64Array.of(1, 0, 0, 1, 2, 2))
    assert.deepEqual([...multiply(a, b).data], [7, 8, 16, 17])
    assert.throws(() => multiply(a, a), /inner sizes differ/)
  })

  it('the Gram matrix is the transpose times the matrix', () => {
    const random = randomStream(1, 'gram')
    const a = matrix(
      7,
      4,
      Float64Array.from({ length: 28 }, () => random.normal()),
    )
    const expected = multiply(transpose(a), a).data
    gram(a).data.forEach((value, i) => {
      assert.ok(Math.abs(value - expected[i]!) < 1e-12)
    })
  })

  it('refuses data of another size', () => {
    assert.throws(() => matrix(2, 2, new Float64Array(3)), /2×2 matrix needs 4 numbers, got 3/)
  })
})
