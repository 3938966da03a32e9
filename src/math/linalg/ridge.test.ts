import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { assertNear } from '../../../test/support/assert-near.ts'
import { randomStream } from '../../base/index.ts'
import { solveNormalEquations } from './least-squares.ts'
import { type Matrix, matrix, multiply, transpose } from './matrix.ts'
import { plainProducts } from './products.ts'
import { residualCovariance, ridgeRegression } from './ridge.ts'

const normals = (rows: number, columns: number, seed = 1): Matrix => ({
  rows,
  columns,
  data: Float64Array.from({ length: rows * columns }, randomStream(seed, `${rows}×${columns}`).normal),
})

/** Moments of `count` samples x and of y = W·x + noise. */
function seen(truth: Matrix, count: number, noise: number, seed: number) {
  const x = normals(count, truth.columns, seed)
  const y = multiply(x, transpose(truth))
  const random = randomStream(seed, 'noise')
  for (let i = 0; i < y.data.length; i++) y.data[i]! += noise * random.normal()
  const over = (m: Matrix) => ({ ...m, data: m.data.map((value) => value / count) })
  return { covariance: over(multiply(transpose(x), x)), crossCovariance: over(multiply(transpose(y), x)) }
}

describe('ridge regression', () => {
  it('finds the weights of a linear map, whatever it begins with', async () => {
    const truth = normals(3, 5)
    const moments = seen(truth, 40, 0, 2)
    const found = await ridgeRegression(plainProducts, normals(3, 5, 9), moments, { ridge: 0 })
    assertNear(found.data, truth.data, 1e-9)
  })

  it('is (B + λ·W0)·(C + λ)⁻¹, as solved directly', async () => {
    const sizes = fc.record({ rows: fc.integer({ min: 1, max: 5 }), columns: fc.integer({ min: 1, max: 9 }) })
    const ridges = fc.double({ min: 1e-3, max: 100, noNaN: true })
    await fc.assert(
      fc.asyncProperty(sizes, ridges, fc.nat({ max: 99 }), async ({ rows, columns }, ridge, seed) => {
        const [start, moments] = [normals(rows, columns, seed), seen(normals(rows, columns), 20, 0.5, seed)]
        const { covariance, crossCovariance } = moments
        const pulled = { ...crossCovariance, data: crossCovariance.data.map((b, i) => b + ridge * start.data[i]!) }
        const { solution } = solveNormalEquations(covariance, transpose(pulled), { ridge })
        const found = await ridgeRegression(plainProducts, start, moments, { ridge })
        assertNear(found.data, transpose(solution).data, 1e-8)
      }),
      { numRuns: 40 },
    )
  })

  it('keeps what it begins with under a ridge that outweighs the samples, and where they never vary', async () => {
    const start = normals(2, 3)
    const moments = seen(normals(2, 3, 7), 30, 0.1, 3)
    assertNear((await ridgeRegression(plainProducts, start, moments, { ridge: 1e12 })).data, start.data, 1e-9)
    const still = { covariance: matrix(3, 3), crossCovariance: matrix(2, 3) }
    assert.deepEqual((await ridgeRegression(plainProducts, start, still, { ridge: 1 })).data, start.data)
  })

  it('changes no matrix that it is given, and takes a residual that is known', async () => {
    const [start, moments] = [normals(2, 4), seen(normals(2, 4, 5), 20, 0.3, 4)]
    const copies = [start, moments.covariance, moments.crossCovariance].map(({ data }) => data.slice())
    const residual = await residualCovariance(plainProducts, start, moments)
    const alone = await ridgeRegression(plainProducts, start, moments, { ridge: 0.1 })
    const given = await ridgeRegression(plainProducts, start, moments, { ridge: 0.1, residual })
    assert.deepEqual(given.data, alone.data)
    assert.deepEqual(
      [start, moments.covariance, moments.crossCovariance].map(({ data }) => data),
      copies,
    )
    // What the true weights leave is nothing.
    const exact = seen(start, 20, 0, 4)
    assertNear((await residualCovariance(plainProducts, start, exact)).data, new Float64Array(8), 1e-12)
  })

  it('is refused where there is NaN', async () => {
    const moments = {
      covariance: { rows: 1, columns: 1, data: Float64Array.of(Number.NaN) },
      crossCovariance: matrix(1, 1),
    }
    await assert.rejects(
      ridgeRegression(plainProducts, matrix(1, 1), moments, { ridge: 1 }),
      /is singular even with a ridge/,
    )
  })
})
