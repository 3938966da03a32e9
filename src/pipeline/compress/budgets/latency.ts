// --latency: the mildest plan that is really fast enough on this machine, found by timing models of its shapes.
import { report, throwIfCancelled, type Watch } from '../../../base/index.ts'
import { paddedMacs } from '../../../compress/index.ts'
import { monotoneFit } from '../../../search/index.ts'
import type { Budget, Measure } from '../budget.ts'
import { type Plan, type PlansAt, planAt, type Refusal } from '../plan.ts'
import { sharesOf } from './share.ts'

/** What is promised must hold in the next measurement too. */
const MARGIN = 0.95
/** Times that lie this close to the limit decide. */
const CLOSE = 0.15
/** Plans that are timed for a target. */
const TIMED = 7

/**
 * At most a share of the original's time on this machine: the plan of the largest cost whose measured time is below it, found by
 * halving the range of costs.
 * @param block channels that the machine's convolutions work on at a time
 * @throws UsageError for what is not a share
 */
export function latencyBudget(ratios: readonly number[], block: number): Budget {
  const targets = sharesOf('latency', ratios)
  return {
    name: 'latency',
    unit: 'latency',
    cost: paddedMacs(block),
    targets,
    looksAt: 'times',
    search: async (plansAt, measure, watch) => {
      const found: (Plan | Refusal)[] = []
      for (const ratio of targets) found.push(await mildest(plansAt, measure, watch, ratio))
      return found
    },
  }
}

interface TimedPlan {
  readonly plan: Plan
  readonly cost: number
  /** Share of the original's time. */
  readonly time: number
}

async function mildest(plansAt: PlansAt, measure: Measure, watch: Watch, ratio: number): Promise<Plan | Refusal> {
  const limit = MARGIN * ratio
  const timed: TimedPlan[] = []
  // Costs between 0 and 1: what is out of reach counts as fast, so that the range closes in on what is there. First all of it:
  // what was rewritten may be fast enough.
  let [strong, mild] = [0, 1]
  let cost = 1
  for (let step = 0; step < TIMED; step++) {
    throwIfCancelled(watch.signal)
    report(watch, { step: 'latency', done: step, total: TIMED, message: `${cost.toFixed(3)} of the cost` })
    const plan = planAt(plansAt, cost)
    const time = plan ? await confirmedTime(measure, plan, limit) : 0
    if (plan) timed.push({ plan, cost, time })
    if (time <= limit) strong = cost
    else mild = cost
    if (strong === 1) break
    cost = step === 0 ? ratio : (strong + mild) / 2
  }
  const found = mildestBelow(timed, limit)
  if (found) return found
  const fastest = Math.min(1, ...timed.map(({ time }) => time))
  return {
    refused: `${ratio} of the latency cannot be reached on this machine: the fastest of the plans that were timed takes ${fastest.toFixed(2)} of the original's time; relax the target`,
  }
}

/**
 * The plan of the largest cost below a time, by all timings together: of many noisy times a single one is below too
 * easily, and more work does not really take less time.
 */
function mildestBelow(timed: readonly TimedPlan[], limit: number): Plan | undefined {
  const rising = timed.toSorted((a, b) => a.cost - b.cost)
  const times = monotoneFit(rising.map(({ time }) => time))
  return rising.findLast((_, i) => (times[i] ?? 1) <= limit)?.plan
}

/** Time of a plan's model as a share of the original's; one that decides is taken twice, and the mean counts. */
async function confirmedTime({ time }: Measure, plan: Plan, limit: number): Promise<number> {
  const first = await time(plan, 'first')
  return Math.abs(first / limit - 1) < CLOSE ? (first + (await time(plan, 'second'))) / 2 : first
}
