import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Candidate, cheapest, type Item, selectionOf } from './item.ts'
import { knapsack } from './knapsack.ts'

const candidate = fc.record({ cost: fc.nat(20), loss: fc.integer({ min: -9, max: 30 }) })
const items = fc
  .array(fc.record({ unchanged: candidate, candidates: fc.array(candidate, { maxLength: 4 }) }), {
    minLength: 1,
    maxLength: 5,
  })
  .map((list): Item[] => list.map((item, index) => ({ name: `layer ${index}`, ...item })))

/** Every choice there is. */
function everyChoice(list: readonly Item[]): Candidate[][] {
  return list.reduce<Candidate[][]>(
    (choices, { unchanged, candidates }) =>
      choices.flatMap((chosen) => [unchanged, ...candidates].map((one) => [...chosen, one])),
    [[]],
  )
}

describe('the knapsack', () => {
  it('finds the least loss within the budget, or none where the cheapest choice is above it', () => {
    fc.assert(
      fc.property(items, fc.array(fc.nat(100), { minLength: 1, maxLength: 4 }), (list, budgets) => {
        const all = everyChoice(list).map(selectionOf)
        for (const [index, found] of knapsack(list, budgets).entries()) {
          const within = all.filter(({ cost }) => cost <= (budgets[index] ?? 0))
          assert.equal(found === undefined, within.length === 0)
          if (!found) continue
          assert.ok(found.cost <= (budgets[index] ?? 0), `${found.cost} exceeds ${budgets[index]}`)
          assert.equal(found.loss, Math.min(...within.map(({ loss }) => loss)))
        }
      }),
    )
  })

  it('gives for every budget what it gives for that budget alone', () => {
    fc.assert(
      fc.property(items, fc.array(fc.nat(100), { minLength: 2, maxLength: 4 }), (list, budgets) => {
        const together = knapsack(list, budgets).map((found) => found?.loss)
        assert.deepEqual(
          together,
          budgets.map((budget) => knapsack(list, [budget])[0]?.loss),
        )
      }),
    )
  })

  it('loses nothing by a larger budget, and is out of reach only where the cheapest choice is', () => {
    fc.assert(
      fc.property(items, fc.nat(100), fc.nat(20), (list, budget, more) => {
        const [small, large] = knapsack(list, [budget, budget + more])
        if (small) assert.ok(large && large.loss <= small.loss)
        assert.equal(small === undefined, cheapest(list).cost > budget)
      }),
    )
  })
})
