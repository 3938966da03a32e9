import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Comparison } from '../../metrics/index.ts'
import type { Measure } from './budget.ts'
import { macsBudget } from './budgets/macs.ts'
import { choosePlans } from './choose-plans.ts'
import type { Plan, PlansAt } from './plan.ts'

const plan = (method: string, ratio: number): Plan => ({
  ...{ method, channels: {}, losses: {}, ratio },
  splits: ratio < 1 ? { conv: { split: 'output-side', rank: 4 } } : {},
})
const method = (name: string, least = 0): { plansAt: PlansAt } => ({
  plansAt: (ratios) =>
    ratios.map((ratio) => (ratio < least ? { refused: `${name} ends at ${least}` } : plan(name, ratio))),
})

/** Compares by the SQNR of each method's results; counts. */
function judge(db: Readonly<Record<string, readonly (number | null)[]>>): Measure & { readonly asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    hasLabels: false,
    time: async () => 1,
    compare: async ({ method, ratio }): Promise<Comparison> => {
      asked.push(`${method} ${ratio}`)
      return { samples: 1, sqnrDb: Object.fromEntries((db[method] ?? []).map((each, i) => [`y${i}`, each])) }
    },
  }
}

const chosen = async (methods: { plansAt: PlansAt }[], measure: Measure, ratios = [0.8, 0.5]) =>
  (await choosePlans(macsBudget(ratios), methods, measure, {})).map((one) => `${one.method} ${one.ratio}`)

describe('choosing plans', () => {
  it('takes what a single method has, without looking at models', async () => {
    const measure = judge({})
    assert.deepEqual(await chosen([method('splits')], measure), ['splits 0.8', 'splits 0.5'])
    assert.deepEqual(measure.asked, [])
  })

  it('takes the method whose worst output is nearer to the original, the first of equal ones', async () => {
    const both = [method('splits'), method('pruning')]
    assert.deepEqual(await chosen(both, judge({ splits: [30, 9], pruning: [20, 10] }), [0.5]), ['pruning 0.5'])
    assert.deepEqual(await chosen(both, judge({ splits: [20], pruning: [20] }), [0.5]), ['splits 0.5'])
    assert.deepEqual(await chosen(both, judge({ splits: [20], pruning: [null] }), [0.5]), ['pruning 0.5'])
  })

  it('takes for each target what there is, and refuses with the first reason where there is nothing', async () => {
    const measure = judge({ splits: [20], pruning: [10] })
    assert.deepEqual(await chosen([method('splits', 0.7), method('pruning', 0.4)], measure), [
      'splits 0.8',
      'pruning 0.5',
    ])
    assert.deepEqual(measure.asked, ['splits 0.8', 'pruning 0.8'])
    await assert.rejects(chosen([method('splits', 0.7), method('pruning', 0.6)], measure), {
      message: 'splits ends at 0.7',
      exitCode: 6,
    })
  })

  it('compares nothing where the model meets the budget as it is', async () => {
    const measure = judge({})
    assert.deepEqual(await chosen([method('pruning'), method('splits')], measure, [1]), ['pruning 1'])
    assert.deepEqual(measure.asked, [])
  })
})
