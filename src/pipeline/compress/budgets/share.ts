// A share of a predicted cost: what a method finds for it is the plan.
import { UsageError } from '../../../base/index.ts'
import type { CostModel } from '../../../compress/index.ts'
import type { Budget } from '../budget.ts'

/**
 * Shares of the original, each once, mildest first.
 * @throws UsageError for what is not a share
 */
export function sharesOf(word: string, ratios: readonly number[]): number[] {
  for (const ratio of ratios)
    if (!(ratio > 0 && ratio <= 1))
      throw new UsageError(`--${word} ${ratio} is not a share of the original's: give a number above 0 and at most 1`)
  return [...new Set(ratios)].sort((a, b) => b - a)
}

/** At most a share of a cost. @throws UsageError for what is not a share */
export function shareOfCost(name: string, unit: string, cost: CostModel, ratios: readonly number[]): Budget {
  const targets = sharesOf(name, ratios)
  return { name, unit, cost, targets, looksAt: 'costs', search: async (plansAt) => plansAt(targets) }
}
