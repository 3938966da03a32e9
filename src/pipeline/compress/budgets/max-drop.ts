// --max-drop: the smallest model whose metric falls by at most so much.
import { InputError, report, type Watch } from '../../../base/index.ts'
import { macs } from '../../../compress/index.ts'
import type { Budget, Measure } from '../budget.ts'
import { type Plan, type PlansAt, planAt, type Refusal } from '../plan.ts'

/** Shares from mild to strong among which it looks. */
const STEPS = Array.from({ length: 18 }, (_, i) => (19 - i) / 20)

/**
 * The smallest model whose paired drop of the metric stays within a limit, by bisection over the shares of the
 * multiply-accumulates.
 * @param most largest drop, as a share: 0.01 is one point
 */
export function maxDropBudget(most: number): Budget {
  return {
    name: 'max-drop',
    unit: 'MACs',
    cost: macs,
    targets: [undefined],
    looksAt: 'scores',
    search: async (plansAt, measure, watch) => {
      if (!measure.hasLabels)
        throw new InputError('--max-drop needs labels: give --labels FILE, or --val with labelled samples')
      return [await smallestWithin(plansAt, measure, watch, most)]
    },
  }
}

async function smallestWithin(plansAt: PlansAt, measure: Measure, watch: Watch, most: number): Promise<Plan | Refusal> {
  let best: Plan | undefined
  let mildest = ''
  let [low, high] = [0, STEPS.length - 1]
  while (low <= high) {
    const middle = Math.floor((low + high) / 2)
    report(watch, { step: 'max-drop', done: low, total: STEPS.length, message: `${STEPS[middle]}` })
    const plan = planAt(plansAt, STEPS[middle] ?? 1)
    if (!plan) {
      high = middle - 1
      continue
    }
    const drop = -((await measure.compare(plan)).metric?.difference ?? -1)
    if (drop <= most) {
      best = plan
      low = middle + 1
    } else {
      mildest = `${STEPS[middle]} of the MACs already loses ${(100 * drop).toFixed(2)} points`
      high = middle - 1
    }
  }
  return best ?? { refused: `no compressed model stays within a drop of ${100 * most} points: ${mildest}` }
}
