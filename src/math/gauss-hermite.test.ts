import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gaussHermite, gaussianMoments } from './gauss-hermite.ts'

const close = (got: number, expected: number, tolerance: number) =>
  assert.ok(Math.abs(got - expected) <= tolerance * Math.max(1, Math.abs(expected)), `${got}, expected ${expected}`)

describe('Gauss–Hermite quadrature', () => {
  it('has the moments of the standard normal', () => {
    for (const n of [5, 32, 64]) {
      const { nodes, weights } = gaussHermite(n)
      const moment = (k: number) => nodes.reduce((sum, z, i) => sum + (weights[i] ?? 0) * z ** k, 0)
      for (const [k, expected] of [1, 0, 1, 0, 3, 0, 15, 0, 105].entries()) close(moment(k), expected, 1e-12)
    }
  })

  it('finds E[exp(X)] = exp(m + d²/2), and its second moment', () => {
    const { mean, secondMoment } = gaussianMoments(0.3, 0.7, Math.exp)
    close(mean, Math.exp(0.3 + 0.245), 1e-13)
    close(secondMoment, Math.exp(0.6 + 2 * 0.49), 1e-13)
  })

  it('takes a deviation of either sign and 0', () => {
    assert.equal(gaussianMoments(1, -2, Math.tanh).mean.toFixed(12), gaussianMoments(1, 2, Math.tanh).mean.toFixed(12))
    close(gaussianMoments(1, 0, Math.tanh).mean, Math.tanh(1), 1e-14)
  })
})
