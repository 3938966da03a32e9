import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { assertNear, assertNearShare } from '../../test/support/assert-near.ts'
import { gram, type Matrix, matrix, plainProducts, randomStream } from '../math/index.ts'
import {
  type Bilinear,
  composed,
  type Factors,
  fitFactors,
  fullRank,
  leastSquaresKernel,
  solveSecond,
  squaredErrorCurve,
  startFactor,
} from './bilinear.ts'
import { type FitTarget, plainTarget, squaredError, squares } from './target.ts'

function normals(rows: number, columns: number, seed: number): Matrix {
  const random = randomStream(seed, `${rows}×${columns}`)
  return matrix(
    rows,
    columns,
    Float64Array.from({ length: rows * columns }, () => random.normal()),
  )
}

/** What `outputs` sums of correlated inputs should give, with a share that no kernel explains. */
async function problemWith(across: number, width: number, outputs: number, seed = 1): Promise<Bilinear> {
  const d = across * width
  const weight = normals(outputs, d, seed)
  const mixed = await plainProducts.multiply(normals(3 * d, d, seed + 1), normals(d, d, seed + 2))
  const covariance = gram(mixed)
  for (let i = 0; i < covariance.data.length; i++) covariance.data[i]! /= 3 * d
  const ridge = 0.05
  const drifted = { ...weight, data: weight.data.map((value, i) => value + 0.3 * Math.sin(i)) }
  const cross = await plainProducts.multiply(drifted, covariance)
  let energy = 1
  for (let i = 0; i < d * outputs; i++) energy += drifted.data[i]! * cross.data[i]!
  for (let i = 0; i < d; i++) covariance.data[i * (d + 1)]! += ridge
  for (let i = 0; i < d * outputs; i++) cross.data[i]! += ridge * weight.data[i]!
  return { across, width, target: { weight, covariance, cross, ridge, energy } }
}

/** What a fit minimises: ‖y − W·x‖² + λ‖W − W0‖². */
async function objective({ target }: Bilinear, kernel: Matrix): Promise<number> {
  const apart = { ...kernel, data: kernel.data.map((value, i) => value - target.weight.data[i]!) }
  return (await squaredError(plainProducts, target, kernel)) + target.ridge * squares(apart)
}

const kernelOf = (problem: Bilinear, factors: Factors) => composed(plainProducts, problem, factors)

describe('the least-squares kernel', () => {
  it('is a stationary point of what a fit minimises', async () => {
    const problem = await problemWith(2, 3, 4)
    const kernel = await leastSquaresKernel(plainProducts, problem.target)
    const least = await objective(problem, kernel)
    for (let i = 0; i < kernel.data.length; i += 5)
      for (const step of [-1e-2, 1e-2]) {
        const data = kernel.data.slice()
        data[i]! += step
        assert.ok((await objective(problem, { ...kernel, data })) > least, `element ${i}, ${step}`)
      }
  })

  it('is the weight itself without data, and where the target is what the weight gives', async () => {
    const weight = normals(3, 4, 1)
    assert.equal(await leastSquaresKernel(plainProducts, plainTarget(weight)), weight)
    const { target } = await problemWith(1, 4, 3)
    const cross = await plainProducts.multiply(target.weight, target.covariance)
    assertNear((await leastSquaresKernel(plainProducts, { ...target, cross })).data, target.weight.data, 1e-9)
  })
})

describe('two factors', () => {
  const sizes = fc.record({
    across: fc.integer({ min: 1, max: 3 }),
    width: fc.integer({ min: 1, max: 4 }),
    outputs: fc.integer({ min: 1, max: 4 }),
    seed: fc.integer({ min: 1, max: 1000 }),
  })

  it('of full rank are the least-squares kernel, whatever the sizes', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, async ({ across, width, outputs, seed }) => {
        const problem = await problemWith(across, width, outputs, seed)
        const factors = await fitFactors(plainProducts, problem, fullRank(problem), 0)
        const kernel = await leastSquaresKernel(plainProducts, problem.target)
        assertNearShare((await kernelOf(problem, factors)).data, kernel.data, 1e-6)
      }),
      { numRuns: 30 },
    )
  })

  it('are as good as the curve of their errors says at every rank', async () => {
    for (const across of [1, 3]) {
      const problem = await problemWith(across, 4, 5)
      const first = await startFactor(
        plainProducts,
        problem,
        await leastSquaresKernel(plainProducts, problem.target),
        4,
      )
      const curve = await squaredErrorCurve(plainProducts, problem, first)
      assert.equal(curve.length, 4)
      for (let rank = 1; rank <= 4; rank++) {
        const cut = { rows: rank, columns: 4, data: first.data.slice(0, rank * 4) }
        const second = await solveSecond(plainProducts, problem, cut)
        const kernel = await kernelOf(problem, { first: cut, second })
        assertNear([await objective(problem, kernel)], [curve[rank - 1]!], 1e-6 * curve[0]!, `rank ${rank}`)
        assert.ok(rank === 1 || curve[rank - 1]! <= curve[rank - 2]!)
      }
    }
  })

  it('lose without data what the singular values that are left out hold', async () => {
    // Rows of length 2 and 1 at right angles: the singular values are 2 and 1, whatever the axes are turned by.
    for (const angle of [0, 0.3, 1.2]) {
      const [c, s] = [Math.cos(angle), Math.sin(angle)]
      const weight = matrix(2, 2, Float64Array.of(2 * c, 2 * s, -s, c))
      const problem = { across: 1, width: 2, target: plainTarget(weight) }
      const first = await startFactor(plainProducts, problem, weight, 2)
      const curve = await squaredErrorCurve(plainProducts, problem, first)
      assertNear(curve, [1, 0], 1e-9)
    }
  })

  it('look at what the inputs make of a direction, not at the weight alone', async () => {
    // The weight is larger along the first input, the output along the second, which varies a hundred times as much.
    const weight = matrix(2, 2, Float64Array.of(3, 0, 0, 1))
    const covariance = matrix(2, 2, Float64Array.of(1.0001, 0, 0, 100.0001))
    const cross = await plainProducts.multiply(weight, covariance)
    const target: FitTarget = { weight, covariance, cross, ridge: 1e-4, energy: 109 }
    const problem = { across: 1, width: 2, target }
    const kernel = await kernelOf(problem, await fitFactors(plainProducts, problem, 1, 0))
    assertNear(kernel.data, [0, 0, 0, 1], 1e-9)
    assertNear([await squaredError(plainProducts, target, kernel)], [9], 1e-3)
  })

  it('have the best second factor: any step away from it is worse', async () => {
    const problem = await problemWith(2, 3, 3)
    const first = await startFactor(plainProducts, problem, problem.target.weight, 2)
    const second = await solveSecond(plainProducts, problem, first)
    const least = await objective(problem, await kernelOf(problem, { first, second }))
    for (let i = 0; i < second.data.length; i++)
      for (const step of [-1e-2, 1e-2]) {
        const data = second.data.slice()
        data[i]! += step
        const moved = await kernelOf(problem, { first, second: { ...second, data } })
        assert.ok((await objective(problem, moved)) > least, `element ${i}, ${step}`)
      }
  })

  it('never lose by another round, and gain where one factor is shared by positions', async () => {
    const problem = await problemWith(3, 4, 5, 9)
    const after = []
    for (const rounds of [0, 1, 4]) {
      const factors = await fitFactors(plainProducts, problem, 2, rounds)
      after.push(await objective(problem, await kernelOf(problem, factors)))
    }
    assert.ok(after[1]! < after[0]! && after[2]! <= after[1]! * (1 + 1e-9), `${after}`)
  })

  it('have equal norms for each rank', async () => {
    const problem = await problemWith(2, 3, 4)
    const { first, second } = await fitFactors(plainProducts, problem, 3, 1)
    for (let r = 0; r < 3; r++) {
      let [a, b] = [0, 0]
      for (let j = 0; j < 3; j++) a += first.data[r * 3 + j]! ** 2
      for (let i = r; i < second.data.length; i += 3) b += second.data[i]! ** 2
      assertNear([a], [b], 1e-9 * b, `rank ${r}`)
    }
  })

  it('of a weight of zeros are finite, and give zeros', async () => {
    const target = plainTarget(matrix(3, 4))
    const problem = { across: 2, width: 2, target }
    const factors = await fitFactors(plainProducts, problem, 2, 2)
    assert.ok([...factors.first.data, ...factors.second.data].every(Number.isFinite))
    assertNear((await kernelOf(problem, factors)).data, new Float64Array(12), 0)
  })
})
