import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import golden from './fixtures/gauss-expectation.json' with { type: 'json' }
import { clippedGaussian, normalCdf } from './normal.ts'

describe('the normal distribution', () => {
  it('has the distribution function of the tables', () => {
    const known: [number, number][] = [
      [0, 0.5],
      [1, 0.8413447460685429],
      [-1, 0.15865525393145707],
      [1.959963984540054, 0.975],
      [-3, 0.0013498980316300957],
      [-3.0001, 0.001349454913260717],
      [-10, 7.619853024160593e-24],
      [-37, 5.725571222525139e-300],
      [40, 1],
      [-40, 0],
    ]
    for (const [x, expected] of known)
      assert.ok(Math.abs(normalCdf(x) - expected) <= 2e-13 * Math.max(expected, 1e-300), `Φ(${x}) = ${normalCdf(x)}`)
    assert.deepEqual([normalCdf(Number.NEGATIVE_INFINITY), normalCdf(Number.POSITIVE_INFINITY)], [0, 1])
  })

  it('clipped, has the moments that adaptive quadrature finds, for a scale of either sign and zero', () => {
    for (const { input, options, expected } of golden.cases) {
      const got = clippedGaussian(input.beta, input.gamma, options.min ?? undefined, options.max ?? undefined)
      for (const key of ['mean', 'secondMoment'] as const)
        assert.ok(
          Math.abs(got[key] - expected[key]) <= 1e-9 * Math.max(1, Math.abs(expected[key])),
          `${key} ${got[key]}, expected ${expected[key]} for N(${input.beta}, ${input.gamma}) in ${options.activation}`,
        )
    }
  })
})
