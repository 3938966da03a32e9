// The methods by their words in a recipe. A new one is a file here and a line in this table.
import { constantsOf, headedValues, type Model } from '../../../onnx/index.ts'
import type { CompressRecipe } from '../../../recipe/index.ts'
import type { Budget } from '../budget.ts'
import type { Method } from '../method.ts'
import { manualMethod } from './manual.ts'
import { pruningMethod } from './pruning.ts'
import { type SplitOptions, splitMethod } from './splits.ts'

/**
 * Predicted losses of splits and of pruning do not compare. At the same cost splits of convolutions lose less; kernels of fewer
 * channels are the faster ones, so that both are tried where time counts. Of transformers, whose matrices have no low rank, hidden
 * units lose less, so that both are tried there as well.
 */
const methods = {
  'spatial-svd': (recipe) => [splitMethod(splitOptions(recipe, 'spatial-svd'))],
  'weight-svd': (recipe) => [splitMethod(splitOptions(recipe, 'weight-svd'))],
  prune: (recipe) => [pruningMethod(recipe)],
  auto: (recipe, { looksAt }, model) => [
    splitMethod(splitOptions(recipe, 'auto')),
    ...(looksAt === 'times' || (looksAt === 'costs' && hasHeads(model)) ? [pruningMethod(recipe)] : []),
  ],
} satisfies Record<CompressRecipe['method'], MethodsFor>

type MethodsFor = (recipe: CompressRecipe, budget: Budget, model: Model) => readonly Method[]

/** Has a network heads of attention? */
function hasHeads(model: Model): boolean {
  return headedValues(model, constantsOf(model.graph)).size > 0
}

/**
 * The methods that a recipe tries.
 * @param plan what the file of a plan by hand holds, when the recipe names one
 */
export function methodsOf(recipe: CompressRecipe, budget: Budget, model: Model, plan?: unknown): readonly Method[] {
  const { method, order, manual: file } = recipe
  if (file !== undefined)
    return [manualMethod({ json: plan, file, order, family: method === 'prune' ? undefined : method })]
  return methods[method](recipe, budget, model)
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
