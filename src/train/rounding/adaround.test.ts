import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { type Matrix, plainProducts, randomStream } from '../../math/index.ts'
import { adaRound, rowErrors } from './adaround.ts'
import {
  betaAt,
  inverseOf,
  rectifiedSigmoid,
  rectifiedSigmoidSlope,
  regularizer,
  regularizerSlope,
} from './relaxation.ts'

type Array2 = { dims: number[]; data: number[] }
interface Case {
  input: Record<string, number[] | Array2>
  options: Record<string, number | string>
  expected: Record<string, unknown>
}
const { cases } = JSON.parse(readFileSync(new URL('./fixtures/adaround.json', import.meta.url), 'utf8')) as {
  cases: Case[]
}
const list = (value: unknown): number[] => (Array.isArray(value) ? value : (value as Array2).data)

function near(got: number, expected: number, what: string): void {
  assert.ok(
    Math.abs(got - expected) <= 1e-10 * Math.max(1, Math.abs(expected)),
    `${what}: ${got}, expected ${expected}`,
  )
}

describe("AdaRound's relaxation agrees with a reference", () => {
  for (const [index, { input, options, expected }] of cases.entries()) {
    if (options['kind'] === 'regulariser')
      it(`${index} h, its slope, the regulariser and its gradient at β = ${options['beta']}`, () => {
        const v = list(input['V'])
        const beta = Number(options['beta'])
        for (const [i, value] of v.entries()) {
          near(rectifiedSigmoid(value), list(expected['h'])[i]!, `h[${i}]`)
          near(rectifiedSigmoidSlope(value), list(expected['hGrad'])[i]!, `slope[${i}]`)
          near(regularizerSlope(value, beta), list(expected['regularizerGrad'])[i]!, `gradient[${i}]`)
        }
        near(regularizer(v, beta), Number(expected['regularizer']), 'regulariser')
      })
    if (options['kind'] === 'beta-schedule')
      it(`${index} the schedule of β over ${options['iterations']} iterations`, () => {
        const schedule = {
          iterations: Number(options['iterations']),
          warmStart: Number(options['warmStart']),
          from: Number(options['betaStart']),
          to: Number(options['betaEnd']),
        }
        for (const [i, step] of list(input['steps']).entries()) {
          const wanted = (expected['beta'] as (number | null)[])[i]
          const got = betaAt(step, schedule)
          if (wanted === null || wanted === undefined) assert.equal(got, undefined)
          else near(got ?? Number.NaN, wanted, `β at ${step}`)
        }
      })
    if (options['kind'] === 'layer')
      it(`${index} a layer of ${options['bits']} bits: first V, soft weights, total loss and its gradient`, () => {
        const w = list(input['W'])
        const scale = list(input['scale'])
        const v = list(input['V'])
        const x = input['X'] as Array2
        const columns = (input['W'] as Array2).dims[1]!
        const [low, high] = [Number(options['qn']), Number(options['qp'])]
        const rows = w.length / columns
        const error = new Float64Array(w.length)
        for (const [i, weight] of w.entries()) {
          const s = scale[Math.floor(i / columns)]!
          const floor = Math.floor(weight / s)
          near(floor, list(expected['floor'])[i]!, `floor[${i}]`)
          near(inverseOf(weight / s - floor), list(expected['V0'])[i]!, `V0[${i}]`)
          const soft = s * Math.min(Math.max(floor + rectifiedSigmoid(v[i]!), low), high)
          near(soft, list(expected['softWeight'])[i]!, `soft weight[${i}]`)
          error[i] = soft - weight
        }
        const [samples = 1] = x.dims
        let loss = 0
        const slope = new Float64Array(w.length)
        for (let n = 0; n < samples; n++)
          for (let row = 0; row < rows; row++) {
            let out = 0
            for (let k = 0; k < columns; k++) out += error[row * columns + k]! * x.data[n * columns + k]!
            loss += (out * out) / samples
            for (let k = 0; k < columns; k++)
              slope[row * columns + k]! += (2 * out * x.data[n * columns + k]!) / samples
          }
        near(loss, Number(expected['reconstructionLoss']), 'reconstruction')
        const [lambda, beta] = [Number(options['lambda_']), Number(options['beta'])]
        near(loss + lambda * regularizer(v, beta), Number(expected['total']), 'total')
        for (const [i, value] of v.entries()) {
          const s = scale[Math.floor(i / columns)]!
          const code = Math.floor(w[i]! / s) + rectifiedSigmoid(value)
          const data = code >= low && code <= high ? slope[i]! * s * rectifiedSigmoidSlope(value) : 0
          near(data + lambda * regularizerSlope(value, beta), list(expected['totalGradV'])[i]!, `gradient[${i}]`)
        }
      })
  }
})

describe('adaRound', () => {
  /** A random positive definite matrix with strong correlations. */
  function problem(rows: number, columns: number, seed: number) {
    const random = randomStream(seed, 'adaround')
    const samples = Array.from({ length: 3 * columns }, () => {
      const shared = random.normal()
      return Array.from({ length: columns }, () => random.normal() + 2 * shared)
    })
    const h = new Float64Array(columns * columns)
    for (const x of samples)
      for (let i = 0; i < columns; i++)
        for (let j = 0; j < columns; j++) h[i * columns + j]! += (x[i]! * x[j]!) / samples.length
    const weights: Matrix = { rows, columns, data: Float64Array.from({ length: rows * columns }, random.normal) }
    const scales = new Float64Array(rows).fill(0.5)
    return { weights, hessian: { rows: columns, columns, data: h }, scales, low: -7, high: 7 }
  }
  const total = (errors: Float64Array) => errors.reduce((a, b) => a + b, 0)

  it('comes within a tenth of the best rounding, found by trying all, and is never worse than rounding to nearest', async () => {
    for (const seed of [1, 2, 3]) {
      const given = problem(3, 8, seed)
      const { weights, scales } = given
      const codes = await adaRound(plainProducts, given)
      const nearest = weights.data.map((w, i) => Math.round(w / scales[Math.floor(i / 8)]!))
      const errors = await rowErrors(plainProducts, given, codes)
      const plain = await rowErrors(plainProducts, given, nearest)
      const best = new Float64Array(3).fill(Number.POSITIVE_INFINITY)
      for (let choice = 0; choice < 256; choice++) {
        const tried = weights.data.map((w, i) => Math.floor(w / scales[Math.floor(i / 8)]!) + ((choice >> (i % 8)) & 1))
        const found = await rowErrors(plainProducts, given, tried)
        for (const [row, error] of found.entries()) best[row] = Math.min(best[row]!, error)
      }
      for (const [row, error] of errors.entries()) assert.ok(error <= plain[row]! + 1e-12, `row ${row} got worse`)
      assert.ok(
        total(errors) <= 1.1 * total(best) + 0.1 * total(plain),
        `${total(errors)}, best ${total(best)}, nearest ${total(plain)}`,
      )
    }
  })
})
