import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import golden from './fixtures/monotone-fit.json' with { type: 'json' }
import { monotoneFit } from './monotone.ts'

describe('monotone fit', () => {
  for (const { input, options, expected } of golden.cases)
    it(`gives the isotonic regression of an independent implementation: ${options.kind}`, () => {
      monotoneFit(input.y).forEach((value, i) => {
        assert.ok(Math.abs(value - expected.isotonic[i]!) <= 1e-10)
      })
    })

  it('weighs values by how many samples stand behind them', () => {
    assert.deepEqual(monotoneFit([3, 0], [3, 1]), [2.25, 2.25])
    assert.deepEqual(monotoneFit([1, 2, 2, 5]), [1, 2, 2, 5])
    assert.deepEqual(monotoneFit([]), [])
  })
})
