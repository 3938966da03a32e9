// --method prune: channels by what their readers lose with them, under a budget.
import { RefusedError } from '../../base/index.ts'
import { channelsToKeep, outOfReach, type PruningProblem, preparePruning, pruningPlans } from '../../compress/index.ts'
import type { CompressRecipe } from '../recipe.ts'
import type { Budget } from './budget.ts'
import { POSITIONS } from './curves.ts'
import { type Choices, type Plan, totalCost } from './plan.ts'
import type { PointContext } from './point.node.ts'

/** Finds and ranks the channels of a run's model. */
export function openPruning(context: PointContext, recipe: CompressRecipe, { cost }: Budget): Promise<PruningProblem> {
  const { runtime, products, model, shapes, samples, sample, seed, progress, signal } = context
  return preparePruning(runtime, products, model, shapes, recipe.plain ? [] : samples, sample, {
    cost,
    seed,
    progress,
    signal,
    perSample: POSITIONS,
    order: recipe.plain ? 'magnitude' : recipe.order,
    keepLayers: new Set(recipe.keepLayer),
  })
}

/**
 * One plan for each ratio of the budget.
 * @throws RefusedError when a ratio is out of reach, naming the nearest and the operators that hold channels back
 */
export function prunePlans(problem: PruningProblem, choices: Choices, { ratios }: Budget): Plan[] {
  const { cost, multiple } = choices
  return pruningPlans(problem, ratios, { cost, multiple, whole: totalCost(choices) }).map((plan, index): Plan => {
    const unit = cost.name === 'bytes' ? 'parameter bytes' : 'MACs'
    if (typeof plan === 'number') throw new RefusedError(outOfReach(problem, ratios[index] ?? 1, plan, unit))
    return { choices: new Map(), ...plan, problem }
  })
}

/** The plan for a ratio, or undefined when it is out of reach. */
export function prunePlanOrNothing(problem: PruningProblem, choices: Choices, ratio: number): Plan | undefined {
  const { cost, multiple } = choices
  const [plan] = pruningPlans(problem, [ratio], { cost, multiple, whole: totalCost(choices) })
  return typeof plan === 'object' ? { choices: new Map(), ...plan, problem } : undefined
}

/** What a manual plan says of channels, as a plan. */
export function manualChannels(
  problem: PruningProblem,
  wanted: ReadonlyMap<string, number | readonly number[]>,
): Pick<Plan, 'removed' | 'problem'> {
  return { removed: channelsToKeep(problem, wanted), problem }
}
