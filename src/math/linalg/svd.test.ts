import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import golden from '../fixtures/svd.json' with { type: 'json' }
import { type Matrix, matrix, multiply, transpose } from './matrix.ts'
import { type Svd, topSvd } from './svd.ts'

function compose({ left, singularValues, right }: Svd): Matrix {
  const scaled = left.data.map((value, i) => value * singularValues[i % singularValues.length]!)
  return multiply({ ...left, data: scaled }, transpose(right))
}

describe('truncated SVD', () => {
  for (const { rows, columns, data, singularValues, perRank } of golden.cases)
    it(`of ${rows}×${columns} gives the values and products of an independent implementation`, async () => {
      const a = matrix(rows, columns, Float64Array.from(data))
      const full = await topSvd(a, Math.min(rows, columns))
      singularValues.forEach((value, i) => {
        // Small ones lose digits to squaring.
        const lost = value < 1e-7 * singularValues[0]! ? 1e-7 * singularValues[0]! : 1e-10 * Math.max(1, value)
        assert.ok(Math.abs(full.singularValues[i]! - value) <= lost, `${full.singularValues[i]} for ${value}`)
      })
      for (const { rank, product } of perRank) {
        const got = compose(await topSvd(a, rank)).data
        product.forEach((value, i) => {
          assert.ok(Math.abs(got[i]! - value) <= 1e-10 * Math.max(1, Math.abs(value)))
        })
      }
    })

  it('makes the largest entry of each left vector positive', async () => {
    const { left, right } = await topSvd(matrix(2, 2, Float64Array.of(-3, 0, 0, -2)), 2)
    assert.ok([...left.data].every((value) => value > -1e-12) && right.data[0]! < 0)
  })

  it('never divides by a vanishing singular value', async () => {
    const full = await topSvd(matrix(3, 2, Float64Array.of(1, 1, 1, 1, 1, 1)), 2)
    assert.ok(full.left.data.every(Number.isFinite))
    compose(full).data.forEach((value) => {
      assert.ok(Math.abs(value - 1) < 1e-12)
    })
    const zero = await topSvd(matrix(3, 2), 2)
    assert.ok([...zero.left.data, ...zero.right.data].every(Number.isFinite))
  })
})
