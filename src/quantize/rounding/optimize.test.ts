import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Moments } from '../../calibrate/index.ts'
import { cholesky, gram, type Matrix, matrix, plainProducts, randomStream, roundToEven } from '../../math/index.ts'
import { gptq } from './gptq.ts'
import { optimizeRounding, plainCodes } from './optimize.ts'
import { outputErrors } from './output-error.ts'
import type { RoundingProblem } from './problem.ts'
import { chooseRidge, refitWeights } from './refit.ts'
import { scaleGridFor, searchScales } from './scale-search.ts'

const random = randomStream(3, 'rounding')
const normal = (rows: number, columns: number) =>
  matrix(
    rows,
    columns,
    Float64Array.from({ length: rows * columns }, () => random.normal()),
  )

/** Correlated inputs: what second-order rounding lives on. */
function hessianOf(columns: number): Matrix {
  const x = normal(400, columns)
  for (let row = 0; row < 400; row++)
    for (let c = 1; c < columns; c++) x.data[row * columns + c]! += 0.9 * x.data[row * columns + c - 1]!
  const h = gram(x)
  return { ...h, data: h.data.map((value) => value / 400) }
}

/** The definition, by the inverse of what is left after each column. */
function gptqByColumn({ weights, hessian, scales, low, high }: RoundingProblem): Float64Array {
  const n = weights.columns
  const h = hessian.data
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => h[b * n + b]! - h[a * n + a]! || a - b)
  const codes = new Float64Array(weights.data.length)
  // U of H⁻¹ = UᵀU: the reversed inverse of the reversed Cholesky factor.
  const reversed = matrix(n, n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) reversed.data[i * n + j] = h[order[n - 1 - i]! * n + order[n - 1 - j]!]!
  const l = cholesky(reversed)!.data
  const x = new Float64Array(n * n)
  for (let column = 0; column < n; column++)
    for (let i = column; i < n; i++) {
      let sum = i === column ? 1 : 0
      for (let k = column; k < i; k++) sum -= l[i * n + k]! * x[k * n + column]!
      x[i * n + column] = sum / l[i * n + i]!
    }
  const u = x.reverse()
  for (let row = 0; row < weights.rows; row++) {
    const left = order.map((k) => weights.data[row * n + k]!)
    for (let k = 0; k < n; k++) {
      const code = Math.min(Math.max(roundToEven(left[k]! / scales[row]!), low), high)
      codes[row * n + order[k]!] = code
      const error = (left[k]! - scales[row]! * code) / u[k * n + k]!
      for (let j = k + 1; j < n; j++) left[j]! -= error * u[k * n + j]!
    }
  }
  return codes
}

describe('second-order rounding', () => {
  const weights = normal(4, 12)
  const hessian = hessianOf(12)
  const scales = new Float64Array(4).fill(0.5)
  const total = async (codes: Float64Array, w = weights, s: Float64Array = scales, h = hessian) =>
    (
      await outputErrors(plainProducts, { weights: w, hessian: h }, 1, () => ({ codes, grids: { scales: s } }))
    )[0]!.reduce((a, b) => a + b, 0)

  it('gives a lower output error than the nearest codes, within the range of codes', async () => {
    const problem = { weights, hessian, scales, low: -3, high: 3 }
    const codes = await optimizeRounding(problem)
    assert.ok((await total(codes)) < 0.7 * (await total(plainCodes(weights, scales, -3, 3))))
    for (const code of codes) assert.ok(Number.isInteger(code) && code >= -3 && code <= 3)
  })

  it('finds the best of all codes where those can be tried', async () => {
    const small = { weights: matrix(1, 3, Float64Array.of(0.3, -0.7, 0.55)), hessian: hessianOf(3) }
    const problem = { ...small, scales: Float64Array.of(0.5), low: -2, high: 2 }
    const errorOf = (codes: Float64Array) => total(codes, small.weights, problem.scales, small.hessian)
    let best = Number.POSITIVE_INFINITY
    for (let a = -2; a <= 2; a++)
      for (let b = -2; b <= 2; b++)
        for (let c = -2; c <= 2; c++) best = Math.min(best, await errorOf(Float64Array.of(a, b, c)))
    assert.ok((await errorOf(await optimizeRounding(problem))) <= best * 1.2 + 1e-9)
  })

  it('gives the codes of GPTQ column by column when columns are rounded in blocks', async () => {
    const n = 180
    const wide = {
      weights: normal(3, n),
      hessian: hessianOf(n),
      scales: new Float64Array(3).fill(0.4),
      low: -7,
      high: 7,
    }
    assert.deepEqual(await gptq(plainProducts, wide), gptqByColumn(wide))
  })

  it('holds with inputs that are always 0', async () => {
    const dead = { ...hessian, data: hessian.data.map((x, i) => (i % 12 === 5 || Math.floor(i / 12) === 5 ? 0 : x)) }
    const codes = await optimizeRounding({ weights, hessian: dead, scales, low: -7, high: 7 })
    assert.ok(codes.every(Number.isFinite))
  })

  it('searches scales that lower the output error of plain rounding', async () => {
    const codes = { low: -7, high: 7 }
    const minmax = Float64Array.from(
      { length: 4 },
      (_, row) => Math.max(...weights.data.subarray(row * 12, row * 12 + 12).map(Math.abs)) / 7,
    )
    const found = await searchScales(plainProducts, [{ weights, hessian }], minmax, {
      ...codes,
      grid: scaleGridFor(4),
      shared: false,
    })
    const cost = (list: Float64Array) => total(plainCodes(weights, list, -7, 7), weights, list)
    assert.ok((await cost(found)) < (await cost(minmax)))
    const shared = await searchScales(plainProducts, [{ weights, hessian }], minmax, {
      ...codes,
      grid: scaleGridFor(4),
      shared: true,
    })
    assert.equal(new Set(Array.from(shared, (s, row) => (s / minmax[row]!).toFixed(9))).size, 1)
  })

  it('refits weights to the float output', async () => {
    const truth = normal(4, 12)
    const cross = matrix(4, 12)
    for (let o = 0; o < 4; o++)
      for (let i = 0; i < 12; i++)
        for (let k = 0; k < 12; k++) cross.data[o * 12 + i]! += truth.data[o * 12 + k]! * hessian.data[k * 12 + i]!
    const fitted = await refitWeights(
      plainProducts,
      weights,
      { covariance: hessian, crossCovariance: cross },
      { ridge: 0.01 },
    )
    const off = (a: Matrix) => a.data.reduce((sum, x, i) => sum + (x - truth.data[i]!) ** 2, 0)
    assert.ok(off(fitted) < 0.01 * off(weights))
  })

  it('refits only as far as other samples agree', async () => {
    const truth = normal(2, 40)
    // y = truth·x + noise: with many samples the noise averages out, with few it is all there is.
    const seen = async (samples: number, noise: number) => {
      const moments = new Moments(40, 2)
      const x = normal(samples, 40)
      const y = await plainProducts.multiply(x, truth, { b: true })
      await moments.add(plainProducts, x, { ...y, data: y.data.map((value) => value + noise * random.normal()) })
      return { covariance: moments.covariance, crossCovariance: moments.crossCovariance }
    }
    const far = { rows: 2, columns: 40, data: truth.data.map((w) => w + 0.5 * random.normal()) }
    const plenty = { weights: far, fit: await seen(2000, 0.1), check: await seen(500, 0.1) }
    assert.equal((await chooseRidge(plainProducts, [plenty]))?.ridge, 0.01)
    const few = { weights: truth, fit: await seen(30, 20), check: await seen(10, 20) }
    const chosen = (await chooseRidge(plainProducts, [few]))?.ridge ?? Number.POSITIVE_INFINITY
    assert.ok(chosen >= 1, `a ridge of ${chosen} fits noise`)
  })
})
