import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { codeRange, roundToEven } from '../../math/index.ts'
import type { Bins } from './bins.ts'
import golden from './fixtures/range-sqnr.json' with { type: 'json' }
import { type GridCost, gridCost } from './grid-cost.ts'
import { searchSqnr } from './sqnr.ts'

/** The figures count each bin at its middle. */
function middleCost({ first, width, counts }: Bins): GridCost {
  return ({ scale, lowest, highest }, clipWeight) => {
    let sum = 0
    for (let j = 0; j < counts.length; j++) {
      const x = (first + j + 0.5) * width
      const code = roundToEven(x / scale)
      const kept = Math.min(Math.max(code, lowest), highest)
      sum += counts[j]! * (x - kept * scale) ** 2 * (code === kept ? 1 : clipWeight)
    }
    return sum
  }
}

describe('the SQNR range', () => {
  const byName = new Map(Object.entries(golden.histograms))
  for (const { histogram, bits, scheme, cost } of golden.cases)
    it(`costs no more than an independent search: ${histogram}, ${bits} bits, ${scheme}`, () => {
      const { counts, first, width } = byName.get(histogram)!
      const bins = { first: first / width, width, counts: Float64Array.from(counts), zeros: 0 }
      const symmetric = scheme !== 'asymmetric'
      const dtype = bits === 8 ? (symmetric ? 'int8' : 'uint8') : symmetric ? 'int4' : 'uint4'
      const narrow = scheme === 'strict-symmetric'
      let lowest = Number.POSITIVE_INFINITY
      let tried = 0
      const measured = middleCost(bins)
      searchSqnr(bins, { dtype, symmetric, narrow }, (grid, clipWeight) => {
        tried++
        const got = measured(grid, clipWeight)
        lowest = Math.min(lowest, got)
        return got
      })
      assert.ok(lowest <= cost * (1 + 1e-4), `${lowest}, expected at most ${cost}`)
      assert.ok(tried <= 358 && (!symmetric || tried === 101), `${tried} candidates`)
    })

  it('ends where its symmetric grid ends', () => {
    const bins = { first: -100, width: 1, counts: new Float64Array(200).fill(1), zeros: 0 }
    const { low, high } = searchSqnr(bins, { dtype: 'int8', symmetric: true }, gridCost(bins))
    assert.equal(low, -high)
    // int8 reaches −128 steps down: the whole range fits with 127.5 steps a side.
    assert.ok(Math.abs(high - (100 * codeRange('int8').high) / 127.5) < 2)
  })
})
