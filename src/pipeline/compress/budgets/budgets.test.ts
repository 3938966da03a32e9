import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Comparison } from '../../../metrics/index.ts'
import { parseRecipe } from '../../../recipe/index.ts'
import type { Budget, Measure } from '../budget.ts'
import { isRefusal, type Plan, type PlansAt, type Refusal } from '../plan.ts'
import { asPlanned } from './as-planned.ts'
import { bytesBudget } from './bytes.ts'
import { budgetOf } from './index.ts'
import { latencyBudget } from './latency.ts'
import { macsBudget } from './macs.ts'
import { maxDropBudget } from './max-drop.ts'

const MACHINE = { name: 'a machine', block: 16 }

/** Plans of exactly the share that is asked for, from `least` up. */
const plansFrom =
  (least: number): PlansAt =>
  (ratios) =>
    ratios.map((ratio) =>
      ratio < least
        ? { refused: `the nearest is ${least}` }
        : { method: 'fake', splits: {}, channels: {}, losses: {}, ratio },
    )

/** Measures by functions of a plan's ratio; counts what is asked for. */
function measureBy({
  time = (ratio: number) => ratio,
  drop = (_ratio: number): number | undefined => undefined,
}): Measure & { readonly asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    hasLabels: true,
    time: async ({ ratio }, round) => {
      asked.push(`${round} ${ratio}`)
      return time(ratio)
    },
    compare: async ({ ratio }) => {
      asked.push(`compare ${ratio}`)
      const lost = drop(ratio)
      const interval = { low: 0, high: 0 }
      const metric = {
        name: 'top1',
        before: 1,
        after: 1 - (lost ?? 0),
        difference: -(lost ?? 0),
        interval,
        samples: 100,
      }
      return { samples: 100, sqnrDb: {}, ...(lost === undefined ? {} : { metric }) } as unknown as Comparison
    },
  }
}

const search = (budget: Budget, plansAt: PlansAt, measure: Measure = measureBy({})) =>
  budget.search(plansAt, measure, {})
const ratioOf = (found: Plan | Refusal | undefined) => (found && !isRefusal(found) ? found.ratio : undefined)
const reasonOf = (found: Plan | Refusal | undefined) => (found && isRefusal(found) ? found.refused : undefined)

describe('a share of a cost', () => {
  it('has each target once, mildest first, and takes what the method has for all of them in one question', async () => {
    for (const budget of [macsBudget([0.5, 0.8, 0.5]), bytesBudget([0.5, 0.8, 0.5])]) {
      assert.deepEqual(budget.targets, [0.8, 0.5])
      const questions: (readonly number[])[] = []
      const plansAt: PlansAt = (ratios) => {
        questions.push(ratios)
        return plansFrom(0.6)(ratios)
      }
      const [mild, strong] = await search(budget, plansAt)
      assert.equal(ratioOf(mild), 0.8)
      assert.equal(reasonOf(strong), 'the nearest is 0.6')
      assert.deepEqual(questions, [[0.8, 0.5]])
    }
  })

  it('measures nothing', async () => {
    const measure = measureBy({})
    await search(macsBudget([0.5]), plansFrom(0), measure)
    assert.deepEqual(measure.asked, [])
  })

  it('is above 0 and at most 1', () => {
    for (const ratio of [0, 1.5, -1, Number.NaN])
      assert.throws(() => macsBudget([ratio]), /--macs \S+ is not a share of the original's/)
    assert.throws(() => latencyBudget([2], 16), /--latency 2 is not a share/)
  })
})

describe('a share of the time', () => {
  it('is met by the plan of the largest cost that is fast enough', async () => {
    const [found] = await search(latencyBudget([0.6], 16), plansFrom(0), measureBy({}))
    const ratio = ratioOf(found) ?? 0
    assert.ok(ratio <= 0.95 * 0.6 && ratio > 0.95 * 0.6 - 0.03, `${ratio}`)
  })

  it('is met by the model as it was rewritten where that is fast enough: one timing', async () => {
    const measure = measureBy({ time: () => 0.4 })
    const [found] = await search(latencyBudget([0.6], 16), plansFrom(0), measure)
    assert.equal(ratioOf(found), 1)
    assert.deepEqual(measure.asked, ['first 1'])
  })

  it('times a second time what lies close to the limit, and nothing else', async () => {
    const measure = measureBy({})
    await search(latencyBudget([0.5], 16), plansFrom(0), measure)
    const limit = 0.95 * 0.5
    for (const asked of measure.asked.filter((one) => one.startsWith('first'))) {
      const ratio = Number(asked.split(' ')[1])
      const close = Math.abs(ratio / limit - 1) < 0.15
      assert.equal(measure.asked.includes(`second ${ratio}`), close, asked)
    }
  })

  it('is refused with the fastest plan where none is fast enough; plans out of reach are not timed', async () => {
    const measure = measureBy({ time: (ratio) => 0.3 + ratio })
    const [found] = await search(latencyBudget([0.5], 16), plansFrom(0.4), measure)
    assert.match(reasonOf(found) ?? '', /^0.5 of the latency cannot be reached .* takes 0\.\d\d of the original's time/)
    assert.ok(measure.asked.every((one) => Number(one.split(' ')[1]) >= 0.4))
  })

  it('does not fall for a single lucky time: more work does not take less of it', async () => {
    // One plan seems twice as fast as it is, and a milder one was measured right.
    const lucky = measureBy({ time: (ratio) => (Math.abs(ratio - 0.7) < 1e-9 ? 0.3 : ratio) })
    const [found] = await search(latencyBudget([0.7], 16), plansFrom(0), lucky)
    const ratio = ratioOf(found) ?? 1
    assert.ok(ratio <= 0.7, `${ratio}`)
  })

  it('counts channels in the blocks of the machine', () => {
    assert.equal(latencyBudget([0.5], 8).cost.name, 'padded-macs-8')
    assert.equal(latencyBudget([0.5], 8).looksAt, 'times')
  })
})

describe('the largest drop of the metric', () => {
  it('gives the smallest model within it, by few comparisons', async () => {
    const measure = measureBy({ drop: (ratio) => (ratio >= 0.4 ? 0.005 : 0.2) })
    const [found] = await search(maxDropBudget(0.01), plansFrom(0), measure)
    assert.equal(ratioOf(found), 0.4)
    assert.ok(measure.asked.length <= 5, measure.asked.join())
  })

  it('stops where plans end', async () => {
    const [found] = await search(maxDropBudget(0.01), plansFrom(0.62), measureBy({ drop: () => 0 }))
    assert.equal(ratioOf(found), 0.65)
  })

  it('is refused with what the mildest model loses', async () => {
    const [found] = await search(maxDropBudget(0.01), plansFrom(0), measureBy({ drop: () => 0.3 }))
    assert.equal(
      reasonOf(found),
      'no compressed model stays within a drop of 1 points: 0.95 of the MACs already loses 30.00 points',
    )
  })

  it('needs labels, and takes a comparison without a metric for a loss of everything', async () => {
    const unlabelled = { ...measureBy({}), hasLabels: false }
    await assert.rejects(search(maxDropBudget(0.01), plansFrom(0), unlabelled), /--max-drop needs labels/)
    assert.ok(reasonOf((await search(maxDropBudget(0.01), plansFrom(0)))[0]))
  })
})

describe('a plan by hand', () => {
  it('is taken as it is', async () => {
    const [found] = await search(asPlanned(), plansFrom(0))
    assert.equal(ratioOf(found), 1)
  })
})

describe('the budget of a recipe', () => {
  const recipe = (more: object) => parseRecipe('compress', { model: 'm', data: 'd', ...more })

  it('is the one that is given', () => {
    const names = [
      { macs: [0.5] },
      { bytes: [0.5] },
      { latency: [0.5] },
      { maxDrop: 0.01 },
      { manual: 'plan.json' },
    ].map((more) => budgetOf(recipe(more), MACHINE).name)
    assert.deepEqual(names, ['macs', 'bytes', 'latency', 'max-drop', 'manual'])
  })

  it('is exactly one', () => {
    assert.throws(() => budgetOf(recipe({}), MACHINE), /needs one budget, got none: give --macs, --bytes, --latency/)
    assert.throws(() => budgetOf(recipe({ macs: [0.5], maxDrop: 0.1 }), MACHINE), /got macs and maxDrop/)
  })
})
