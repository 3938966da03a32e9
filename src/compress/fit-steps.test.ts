import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import { gram, type Matrix, matrix, plainProducts, randomStream } from '../math/index.ts'
import { type Bilinear, composed, fitFactors, squaredErrorCurve, startFactor } from './bilinear.ts'
import { fitProducts } from './fit-steps.ts'
import { squaredError } from './target.ts'

const random = randomStream(7, 'fit steps')
const normals = (rows: number, columns: number): Matrix =>
  matrix(
    rows,
    columns,
    Float64Array.from({ length: rows * columns }, () => random.normal()),
  )

/** A layer of 6 outputs over 3 positions of 10 correlated inputs. */
async function problem(): Promise<Bilinear> {
  const [across, width] = [3, 10]
  const weight = normals(6, across * width)
  const covariance = gram(normals(200, across * width))
  const ridge = 0.1
  for (let i = 0; i < covariance.rows; i++) covariance.data[i * (covariance.rows + 1)]! += ridge
  const cross = await plainProducts.multiply(weight, covariance)
  let energy = 0
  for (let i = 0; i < weight.data.length; i++) energy += weight.data[i]! * (cross.data[i]! - ridge * weight.data[i]!)
  return { across, width, target: { weight, covariance, cross, ridge, energy } }
}

function assertNear(got: ArrayLike<number>, expected: ArrayLike<number>): void {
  assert.equal(got.length, expected.length)
  for (let i = 0; i < expected.length; i++)
    assert.ok(
      Math.abs(got[i]! - expected[i]!) <= 1e-7 * Math.max(1, Math.abs(expected[i]!)),
      `${got[i]} for ${expected[i]}`,
    )
}

describe('the steps of a fit in ONNX Runtime', async () => {
  const runtime = await testRuntime()
  const products = fitProducts(runtime)
  after(async () => {
    await products.close()
  })
  const given = await problem()

  it('give the same errors of all ranks as product by product', async () => {
    const first = await startFactor(plainProducts, given, given.target.weight, 8)
    const expected = await squaredErrorCurve(plainProducts, given, first)
    assertNear(await squaredErrorCurve(products, given, first), expected)
  })

  it('give the same factors as product by product', async () => {
    for (const rank of [1, 4]) {
      const kernels = []
      for (const engine of [plainProducts, products])
        kernels.push((await composed(plainProducts, given, await fitFactors(engine, given, rank, 2))).data)
      assertNear(kernels[1]!, kernels[0]!)
    }
  })

  it('stay finite for kernels of zeros, of one rank, tiny or huge, and for inputs that never vary', async () => {
    for (const scale of [0, 1e-30, 1e20])
      for (const dead of [0, 12]) {
        const { target, ...shape } = await problem()
        const weight = { ...target.weight, data: target.weight.data.map((_, i) => scale * ((i % 30) + 1)) }
        const covariance = { ...target.covariance, data: target.covariance.data.slice() }
        for (let i = 0; i < dead; i++)
          for (let j = 0; j < 30; j++)
            for (const at of [i * 30 + j, j * 30 + i]) covariance.data[at] = i === j ? target.ridge : 0
        const cross = await plainProducts.multiply(weight, covariance)
        const { first, second } = await fitFactors(
          products,
          { ...shape, target: { ...target, weight, covariance, cross } },
          3,
          2,
        )
        assert.ok([...first.data, ...second.data].every(Number.isFinite), `scale ${scale}, ${dead} dead inputs`)
      }
  })

  it('each lower the error', async () => {
    const errors = []
    for (const rounds of [0, 1, 4]) {
      const kernel = await composed(products, given, await fitFactors(products, given, 4, rounds))
      errors.push(await squaredError(products, given.target, kernel))
    }
    assert.ok(errors[1]! < errors[0]! && errors[2]! < errors[1]!, String(errors))
  })
})
