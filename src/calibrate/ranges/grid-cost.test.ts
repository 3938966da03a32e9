import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Bins } from './bins.ts'
import { type Grid, gridCost } from './grid-cost.ts'

/** The definition, bin by bin. */
function slowCost({ first, width, counts }: Bins, { scale, lowest, highest }: Grid, clipWeight: number): number {
  let sum = 0
  counts.forEach((count, j) => {
    const points = scale > width && scale < 4 * width ? 4 : 1
    for (let i = 0; i < points; i++) {
      const x = (first + j + (i + 0.5) / points) * width
      const code = Math.round(x / scale)
      const kept = Math.min(Math.max(code, lowest), highest)
      if (code !== kept) sum += (clipWeight * count * (x - kept * scale) ** 2) / points
      else if (scale <= width) sum += (count * scale * scale) / 12
      else sum += (count * (x - kept * scale) ** 2) / points
    }
  })
  return sum
}

describe('the cost of a grid', () => {
  it('is that of its definition, for steps wider and narrower than a bin', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -300, max: 100 }),
        fc.array(fc.nat(1000), { minLength: 1, maxLength: 300 }),
        fc.double({ min: -2, max: 5, noNaN: true }),
        fc.integer({ min: -260, max: 0 }),
        fc.integer({ min: 1, max: 255 }),
        (first, counts, logStep, lowest, highest) => {
          const bins = { first, width: 0.125, counts: Float64Array.from(counts), zeros: 0 }
          // An odd factor keeps points off the borders between codes, where rounding may go either way.
          const grid = { scale: 0.125 * 2 ** logStep * 1.000123, lowest, highest }
          const expected = slowCost(bins, grid, 3)
          const got = gridCost(bins)(grid, 3)
          assert.ok(Math.abs(got - expected) <= 1e-9 * expected + 1e-6, `${got}, expected ${expected}`)
        },
      ),
      { numRuns: 300 },
    )
  })

  it('is close to the true error when steps are as fine as bins', () => {
    // Uniform data: step²/12 whatever the step, which the middles of the bins alone get badly wrong.
    const bins = { first: 0, width: 1 / 2048, counts: new Float64Array(2048).fill(1), zeros: 0 }
    for (const steps of [300, 700, 1500, 3000]) {
      const scale = 1 / steps
      const got = gridCost(bins)({ scale, lowest: 0, highest: steps }, 1) / 2048
      assert.ok(Math.abs(got / ((scale * scale) / 12) - 1) < 0.12, `${steps} steps: ${got / ((scale * scale) / 12)}`)
    }
  })

  it('of an empty histogram is 0', () => {
    assert.equal(
      gridCost({ first: 0, width: 1, counts: new Float64Array(0), zeros: 9 })({ scale: 2, lowest: 0, highest: 9 }, 1),
      0,
    )
  })
})
