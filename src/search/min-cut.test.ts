import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { cheapestSides, type TwoSides } from './min-cut.ts'

function costOf({ first, second, borders }: TwoSides, sides: readonly boolean[]): number {
  const alone = sides.reduce((sum, side, thing) => sum + ((side ? first : second)[thing] ?? 0), 0)
  return borders.reduce((sum, { from, to, cost }) => sum + (sides[from] && !sides[to] ? cost : 0), alone)
}

describe('the cheapest sides', () => {
  it('are those that cost less, where there are no borders; the second with equal costs', () => {
    assert.deepEqual(cheapestSides({ first: [1, 3, 2], second: [2, 1, 2], borders: [] }), [true, false, false])
  })

  it('give way to a border that costs more than they save', () => {
    const chain = (cost: number): TwoSides => ({
      first: [0, 2, 0],
      second: [9, 1, 9],
      borders: [
        { from: 0, to: 1, cost },
        { from: 1, to: 0, cost },
      ],
    })
    assert.deepEqual(cheapestSides(chain(0.5)), [true, false, true])
    assert.deepEqual(cheapestSides(chain(1.5)), [true, true, true])
  })

  it('hold things together whose border costs infinitely much', () => {
    const held = { first: [1, 1], second: [0, 5], borders: [{ from: 1, to: 0, cost: Number.POSITIVE_INFINITY }] }
    assert.deepEqual(cheapestSides(held), [true, true])
  })

  it('are found in a deep chain', () => {
    const length = 20_000
    const borders = Array.from({ length: length - 1 }, (_, i) => ({ from: i, to: i + 1, cost: 1 }))
    const first = Array.from({ length }, (_, i) => (i < 7 ? 0 : 1))
    const sides = cheapestSides({ first, second: first.map((cost) => 1 - cost), borders })
    assert.equal(sides.filter(Boolean).length, 7)
  })

  it('cost no more than any other choice', () => {
    const amount = fc.integer({ min: 0, max: 20 })
    const problem = fc.integer({ min: 1, max: 8 }).chain((count) =>
      fc.record({
        first: fc.array(amount, { minLength: count, maxLength: count }),
        second: fc.array(amount, { minLength: count, maxLength: count }),
        borders: fc.array(
          fc.record({
            from: fc.integer({ min: 0, max: count - 1 }),
            to: fc.integer({ min: 0, max: count - 1 }),
            cost: amount,
          }),
          { maxLength: 20 },
        ),
      }),
    )
    fc.assert(
      fc.property(problem, (given) => {
        const count = given.first.length
        const all = Array.from({ length: 2 ** count }, (_, bits) =>
          costOf(
            given,
            Array.from({ length: count }, (_, thing) => (bits & (1 << thing)) !== 0),
          ),
        )
        assert.equal(costOf(given, cheapestSides(given)), Math.min(...all))
      }),
    )
  })
})
