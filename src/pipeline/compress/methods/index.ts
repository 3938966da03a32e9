// The methods by their words in a recipe. A new one is a file here and a line in this table.
import type { CompressRecipe } from '../../recipe.ts'
import type { Budget } from '../budget.ts'
import type { Method } from '../method.ts'
import { manualMethod } from './manual.ts'
import { pruningMethod } from './pruning.ts'
import { type SplitOptions, splitMethod } from './splits.ts'

/**
 * Predicted losses of splits and of pruning do not compare. At the same cost splits lose less; kernels of fewer channels are the
 * faster ones, so that both are tried where time counts.
 */
const methods = {
  'spatial-svd': (recipe) => [splitMethod(splitOptions(recipe, 'spatial-svd'))],
  'weight-svd': (recipe) => [splitMethod(splitOptions(recipe, 'weight-svd'))],
  prune: (recipe) => [pruningMethod(recipe)],
  auto: (recipe, { looksAt }) => [
    splitMethod(splitOptions(recipe, 'auto')),
    ...(looksAt === 'times' ? [pruningMethod(recipe)] : []),
  ],
} satisfies Record<CompressRecipe['method'], (recipe: CompressRecipe, budget: Budget) => readonly Method[]>

/**
 * The methods that a recipe tries.
 * @param plan what the file of a plan by hand holds, when the recipe names one
 */
export function methodsOf(recipe: CompressRecipe, budget: Budget, plan?: unknown): readonly Method[] {
  const { method, order, manual: file } = recipe
  if (file !== undefined)
    return [manualMethod({ json: plan, file, order, family: method === 'prune' ? undefined : method })]
  return methods[method](recipe, budget)
}

function splitOptions(recipe: CompressRecipe, family: SplitOptions['family']): SplitOptions {
  const { select, loss, monotone, layerTimes, latency } = recipe
  return {
    ...{ family, select, monotone },
    // The published threshold search looks at measured losses.
    loss: loss === 'error' && select === 'greedy' ? 'usual' : loss,
    layerTimes: layerTimes && latency !== undefined,
  }
}
