import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { klDivergence, softmax } from './kl.ts'

describe('KL divergence', () => {
  it('is 0 for equal logits, whatever constant is added', () => {
    assert.ok(klDivergence([1, 2, 3], [11, 12, 13]) < 1e-12)
    assert.ok(klDivergence([1, 2, 3], [3, 2, 1]) > 0.5)
  })

  it('takes values that sum to 1 as probabilities', () => {
    assert.ok(Math.abs(klDivergence([0.5, 0.5], [0.25, 0.75]) - (0.5 * Math.log(2) + 0.5 * Math.log(2 / 3))) < 1e-12)
  })

  it('looks at one slice of a batch', () => {
    assert.equal(klDivergence([9, 9, 1, 2], [0, 9, 1, 2], 2, 2), 0)
  })

  it('softmax of large logits does not overflow', () => {
    assert.deepEqual([...softmax([1000, 1000])], [0.5, 0.5])
  })
})
