import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertNear } from '../../test/support/assert-near.ts'
import { Moments } from '../calibrate/index.ts'
import { matrix, plainProducts, randomStream } from '../math/index.ts'
import { leastSquaresKernel } from './bilinear.ts'
import { shareOfEnergy, totalError } from './fit-split.ts'
import { inner, ownTarget, plainTarget, relativeError, ridgeShare, squaredError, targetOf } from './target.ts'

const random = randomStream(5, 'targets')
const normals = (rows: number, columns: number) =>
  matrix(
    rows,
    columns,
    Float64Array.from({ length: rows * columns }, () => random.normal()),
  )

/** 50 samples of 3 inputs and 2 outputs, neither of mean 0. */
const samples = 50
const x = normals(samples, 3)
const y = normals(samples, 2)
for (let s = 0; s < samples; s++) {
  x.data[s * 3 + 1]! += 4
  y.data[s * 2]! += 2 * x.data[s * 3]! - 7
}
async function moments(): Promise<Moments> {
  const sums = new Moments(3, 2)
  await sums.add(plainProducts, { ...x, data: x.data.slice() }, { ...y, data: y.data.slice() })
  return sums
}

/** Mean over the samples of ‖(y − ȳ) − W·(x − x̄)‖². */
function residual(kernel: ArrayLike<number>): number {
  const mean = (of: typeof x, c: number) => {
    let sum = 0
    for (let s = 0; s < samples; s++) sum += of.data[s * of.columns + c]!
    return sum / samples
  }
  let sum = 0
  for (let s = 0; s < samples; s++)
    for (let o = 0; o < 2; o++) {
      let left = y.data[s * 2 + o]! - mean(y, o)
      for (let i = 0; i < 3; i++) left -= kernel[o * 3 + i]! * (x.data[s * 3 + i]! - mean(x, i))
      sum += left ** 2
    }
  return sum / samples
}

describe('the error of a kernel from moments', () => {
  it('is what the samples say, whatever ridge the fit has', async () => {
    for (const share of [1e-3, 0.5]) {
      const target = targetOf(normals(2, 3), await moments(), share)
      for (const kernel of [normals(2, 3), matrix(2, 3), await leastSquaresKernel(plainProducts, target)]) {
        const expected = residual(kernel.data)
        assertNear([await squaredError(plainProducts, target, kernel)], [expected], 1e-9 * expected)
      }
      assertNear([await relativeError(plainProducts, target, matrix(2, 3))], [1], 1e-12)
    }
  })

  it('is least, but for the ridge, for the least-squares kernel', async () => {
    const target = targetOf(matrix(2, 3), await moments(), 1e-9)
    const best = (await leastSquaresKernel(plainProducts, target)).data
    for (let i = 0; i < 6; i++)
      for (const step of [-0.01, 0.01])
        assert.ok(residual(best.map((value, j) => (i === j ? value + step : value))) > residual(best))
  })

  it('is none against its own outputs', async () => {
    const sums = new Moments(3)
    await sums.add(plainProducts, { ...x, data: x.data.slice() })
    const weight = normals(2, 3)
    const target = await ownTarget(plainProducts, weight, sums, 1e-3)
    assertNear([await squaredError(plainProducts, target, weight)], [0], 1e-12)
    // Without the weight all that it gave is lost.
    assertNear([await relativeError(plainProducts, target, matrix(2, 3))], [1], 1e-12)
  })

  it('is never below zero, and none where nothing varies', async () => {
    const weight = normals(2, 3)
    const still = new Moments(3, 2)
    await still.add(
      plainProducts,
      matrix(4, 3, new Float64Array(12).fill(2)),
      matrix(4, 2, new Float64Array(8).fill(3)),
    )
    const target = targetOf(weight, still, 1e-3)
    assert.equal(await relativeError(plainProducts, target, normals(2, 3)), 0)
    // Inputs that never vary leave the weights as they are.
    assertNear((await leastSquaresKernel(plainProducts, target)).data, weight.data, 1e-12)
    assert.equal(await shareOfEnergy(plainProducts, [target], [normals(2, 3)]), 0)
  })

  it('without data is the distance of the weights', async () => {
    const [weight, kernel] = [matrix(1, 2, Float64Array.of(3, 4)), matrix(1, 2, Float64Array.of(3, 1))]
    assertNear([await squaredError(plainProducts, plainTarget(weight), kernel)], [9], 1e-12)
    assertNear([await relativeError(plainProducts, plainTarget(weight), kernel)], [9 / 25], 1e-12)
    assert.equal(inner(weight, kernel), 13)
  })

  it('of groups is the sum over the sum of what they should give', async () => {
    const targets = [plainTarget(matrix(1, 2, Float64Array.of(3, 4))), plainTarget(matrix(1, 2, Float64Array.of(5, 0)))]
    const kernels = [matrix(1, 2, Float64Array.of(3, 1)), matrix(1, 2, Float64Array.of(4, 0))]
    assertNear([await totalError(plainProducts, targets, kernels)], [10], 1e-12)
    assertNear([await shareOfEnergy(plainProducts, targets, kernels)], [0.2], 1e-12)
  })
})

describe('the ridge', () => {
  it('pulls harder the fewer samples there are for an unknown', () => {
    const shares = [1, 4, 5, 19, 20, 1000].map((times) => ridgeShare(9 * times, 9))
    assert.deepEqual(shares, [1e-2, 1e-2, 3e-3, 3e-3, 1e-3, 1e-3])
  })
})
