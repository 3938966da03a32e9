// From methods to the plans that are built: one for each target, of several methods the better one.
import { RefusedError, type Watch } from '../../base/index.ts'
import type { Comparison } from '../../metrics/index.ts'
import type { Budget, Measure } from './budget.ts'
import { changesNothing, isRefusal, type Plan, type PlansAt, type Refusal } from './plan.ts'

/**
 * A plan for each target of a budget. Where several methods have one, their models are compared with the original: predicted losses
 * of different kinds do not compare.
 * @throws RefusedError when no method reaches a target
 */
export async function choosePlans(
  budget: Budget,
  methods: readonly { readonly plansAt: PlansAt }[],
  measure: Measure,
  watch: Watch,
): Promise<Plan[]> {
  const found: (readonly (Plan | Refusal)[])[] = []
  for (const { plansAt } of methods) found.push(await budget.search(plansAt, measure, watch))
  const chosen: Plan[] = []
  for (const index of budget.targets.keys())
    chosen.push(
      await bestOf(
        found.flatMap((each) => each[index] ?? []),
        measure,
      ),
    )
  return chosen
}

async function bestOf(found: readonly (Plan | Refusal)[], measure: Measure): Promise<Plan> {
  const plans = found.filter((one): one is Plan => !isRefusal(one))
  const [first, ...others] = plans
  if (!first) throw new RefusedError(found.find(isRefusal)?.refused ?? 'there is no method to compress by')
  // What meets the budget as it is needs no comparison.
  const unchanged = plans.find(changesNothing)
  if (unchanged || others.length === 0) return unchanged ?? first
  let best = { plan: first, db: lowestDb(await measure.compare(first)) }
  for (const plan of others) {
    const db = lowestDb(await measure.compare(plan))
    if (db > best.db) best = { plan, db }
  }
  return best.plan
}

/** The SQNR of the worst output; infinite when all are exact. */
function lowestDb({ sqnrDb }: Comparison): number {
  return Math.min(...Object.values(sqnrDb).map((db) => db ?? Number.POSITIVE_INFINITY))
}
