import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import golden from '../fixtures/least-squares.json' with { type: 'json' }
import { choleskyWithRidge, solveNormalEquations } from './least-squares.ts'
import { gram, matrix, multiply, transpose } from './matrix.ts'

const meanOfColumns = (data: readonly number[], columns: number): number[] =>
  Array.from({ length: columns }, (_, c) => {
    const column = data.filter((_, i) => i % columns === c)
    return column.reduce((a, b) => a + b) / column.length
  })

describe('least squares', () => {
  for (const { samples, inputs, outputs, intercept, x, y, solutions } of golden.cases)
    for (const { ridge, w } of solutions)
      it(`solves as an independent implementation does, ${intercept ? 'centred' : 'plain'}, ridge ${ridge}`, () => {
        const [mx, my] = intercept ? [meanOfColumns(x, inputs), meanOfColumns(y, outputs)] : [[], []]
        const a = matrix(
          samples,
          inputs,
          Float64Array.from(x, (value, i) => value - (mx[i % inputs] ?? 0)),
        )
        const b = matrix(
          samples,
          outputs,
          Float64Array.from(y, (value, i) => value - (my[i % outputs] ?? 0)),
        )
        const { solution } = solveNormalEquations(gram(a), multiply(transpose(a), b), { ridge })
        const got = transpose(solution).data
        w.forEach((value, i) => {
          assert.ok(Math.abs(got[i]! - value) <= 1e-8 * Math.max(1, Math.abs(value)))
        })
      })

  it('gives up on a factorisation after a bounded number of ridges, and names what may be wrong', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY])
      assert.throws(
        () => choleskyWithRidge(matrix(2, 2, Float64Array.of(1, bad, bad, 1)), 1e-9),
        /2×2 matrix has no Cholesky factor.*NaN or infinite/,
      )
    const lower = choleskyWithRidge(matrix(2, 2, Float64Array.of(1, 1, 1, 1)), 1e-9)
    assert.ok(Math.abs(lower.data[0]! - 1) < 1e-6 && lower.data[3]! > 0)
  })

  it('raises the ridge until a singular system holds, and says so', () => {
    const g = matrix(2, 2, Float64Array.of(1, 1, 1, 1))
    const { solution, ridge, condition } = solveNormalEquations(g, matrix(2, 1, Float64Array.of(2, 2)), { ridge: 0 })
    assert.ok(ridge > 0 && ridge < 1e-3 && condition > 1e3)
    solution.data.forEach((value) => {
      assert.ok(Math.abs(value - 1) < 1e-4)
    })
  })

  it('refuses a system that no ridge mends', () => {
    const nothing = matrix(2, 2)
    assert.throws(() => solveNormalEquations(nothing, matrix(2, 1)), /singular/)
    assert.throws(() => solveNormalEquations(nothing, matrix(3, 1)), /need G \[n, n\]/)
  })
})
