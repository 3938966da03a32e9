import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomStream } from '../../base/index.ts'
import { cholesky } from './least-squares.ts'
import { gram, matrix, multiply } from './matrix.ts'
import { plainProducts } from './products.ts'
import { inverseLower, inverseLowerWithRidge } from './spd.ts'

describe('the inverse of a Cholesky factor', () => {
  it('is L⁻¹ for sizes that are split and sizes that are not', async () => {
    const random = randomStream(1, 'spd')
    for (const n of [1, 5, 128, 129, 301]) {
      const x = matrix(
        2 * n,
        n,
        Float64Array.from({ length: 2 * n * n }, () => random.normal()),
      )
      const a = gram(x)
      const inverse = await inverseLower(plainProducts, a, 0.5)
      const factor = cholesky(a, 0.5)
      assert.ok(inverse && factor)
      const one = multiply(inverse, factor)
      for (let i = 0; i < n; i++)
        for (let j = 0; j < n; j++)
          assert.ok(Math.abs(one.data[i * n + j]! - (i === j ? 1 : 0)) < 1e-9, `${n}: ${i}, ${j}`)
    }
  })

  it('does not exist for an indefinite matrix, and needs a ridge for a singular one', async () => {
    const n = 150
    const zero = matrix(n, n)
    assert.equal(
      await inverseLower(
        plainProducts,
        matrix(
          n,
          n,
          zero.data.map((_, i) => (i % (n + 1) === 0 ? -1 : 0)),
        ),
      ),
      undefined,
    )
    assert.equal(await inverseLower(plainProducts, zero), undefined)
    const inverse = await inverseLowerWithRidge(plainProducts, zero, 4)
    assert.equal(inverse.data[n * n - 1], 0.5)
    await assert.rejects(
      inverseLowerWithRidge(
        plainProducts,
        matrix(
          n,
          n,
          zero.data.map(() => Number.NaN),
        ),
        1,
      ),
      {
        name: 'InputError',
        message: /150×150 system of covariances is singular/,
      },
    )
  })
})
