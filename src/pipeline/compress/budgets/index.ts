// The budgets by their words in a recipe. A new one is a file here and a line in this table.
import { UsageError } from '../../../base/index.ts'
import type { CompressRecipe } from '../../../recipe/index.ts'
import type { Budget } from '../budget.ts'
import type { Machine } from '../problem.ts'
import { asPlanned } from './as-planned.ts'
import { bytesBudget } from './bytes.ts'
import { latencyBudget } from './latency.ts'
import { macsBudget } from './macs.ts'
import { maxDropBudget } from './max-drop.ts'

const budgets = {
  macs: ({ macs = [] }: CompressRecipe) => macsBudget(macs),
  bytes: ({ bytes = [] }: CompressRecipe) => bytesBudget(bytes),
  latency: ({ latency = [] }: CompressRecipe, { block }: Machine) => latencyBudget(latency, block),
  maxDrop: ({ maxDrop = 0 }: CompressRecipe) => maxDropBudget(maxDrop),
  manual: () => asPlanned(),
} satisfies { readonly [word in keyof CompressRecipe]?: (recipe: CompressRecipe, machine: Machine) => Budget }

const words = Object.keys(budgets) as (keyof typeof budgets)[]

/**
 * The budget of a recipe.
 * @throws UsageError when there is none, or more than one kind, or a ratio that is not a share
 */
export function budgetOf(recipe: CompressRecipe, machine: Machine): Budget {
  const given = words.filter((word) => recipe[word] !== undefined)
  const [word] = given
  if (word === undefined || given.length > 1)
    throw new UsageError(
      `compress needs one budget, got ${given.length === 0 ? 'none' : given.join(' and ')}: give --macs, --bytes, --latency, --max-drop or --manual`,
    )
  return budgets[word](recipe, machine)
}
