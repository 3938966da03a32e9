// One entry point to the searches: a choice for every item under one or several budgets.
import { greedy } from './greedy.ts'
import type { Candidate, Item, Selection } from './item.ts'
import { knapsack } from './knapsack.ts'
import { monotoneFit } from './monotone.ts'

export interface SelectOptions {
  /** Knapsack is optimal; greedy is the published threshold search, for comparison. */
  readonly select?: 'knapsack' | 'greedy'
  /** Cost of what is not chosen about: it counts, and stays. */
  readonly fixed?: number
  /** Makes each item's losses fall as its cost rises before choosing: measured losses are noisy. */
  readonly monotone?: boolean
}

/**
 * Chooses how each item is treated such that all of them together cost at most each of `ratios` times what they cost
 * unchanged, `fixed` included, and lose as little as can be; undefined where a ratio is out of reach.
 * @example
 * ```ts
 * const conv1 = { name: 'conv1', unchanged: { cost: 10, loss: 0 }, candidates: [{ cost: 4, loss: 0.1 }] }
 * const [half] = selectRatios([conv1], [0.5])
 * half?.cost // 4
 * ```
 */
export function selectRatios<C extends Candidate>(
  items: readonly Item<C>[],
  ratios: readonly number[],
  { select = 'knapsack', fixed = 0, monotone = false }: SelectOptions = {},
): (Selection<C> | undefined)[] {
  const list = monotone ? items.map(withMonotoneLosses) : items
  if (select === 'greedy') return ratios.map((ratio) => greedy(list, { ratio, fixed }))
  const total = fixed + list.reduce((sum, { unchanged }) => sum + unchanged.cost, 0)
  return knapsack(
    list,
    ratios.map((ratio) => ratio * total - fixed),
  )
}

/** A stronger candidate cannot really lose less than a milder one: isotonic regression over the cost. */
export function withMonotoneLosses<C extends Candidate>(item: Item<C>): Item<C> {
  const strongestLast = [...item.candidates.keys()].sort((a, b) => item.candidates[b]!.cost - item.candidates[a]!.cost)
  const fitted = monotoneFit(strongestLast.map((index) => item.candidates[index]!.loss))
  const candidates = [...item.candidates]
  for (const [place, index] of strongestLast.entries())
    candidates[index] = { ...item.candidates[index]!, loss: fitted[place]! }
  return { ...item, candidates }
}
