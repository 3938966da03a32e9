// What a compression is asked for: a kind of cost, and how much of it may be left.
import { UsageError } from '../../base/index.ts'
import { type CostModel, macs, paddedMacs, parameterBytes } from '../../compress/index.ts'
import type { CompressRecipe } from '../recipe.ts'

export type BudgetKind = 'macs' | 'bytes' | 'latency' | 'maxDrop' | 'manual'

export interface Budget {
  readonly kind: BudgetKind
  /** Shares of the original, mildest first; empty for the kinds without. */
  readonly ratios: readonly number[]
  /** The cost that the selection adds up. */
  readonly cost: CostModel
}

/**
 * The budget of a recipe.
 * @param block channels that the target's convolutions work on at a time
 * @throws UsageError when there is none, or more than one kind, or a ratio that is no share
 */
export function budgetOf(recipe: CompressRecipe, block: number): Budget {
  const kinds = (['macs', 'bytes', 'latency', 'maxDrop', 'manual'] as const).filter(
    (kind) => recipe[kind] !== undefined,
  )
  const [kind] = kinds
  if (kind === undefined || kinds.length > 1)
    throw new UsageError(
      `compress needs one budget, got ${kinds.length === 0 ? 'none' : kinds.join(' and ')}: give --macs, --bytes, --latency, --max-drop or --manual`,
    )
  const ratios = kind === 'macs' || kind === 'bytes' || kind === 'latency' ? (recipe[kind] ?? []) : []
  for (const ratio of ratios)
    if (!(ratio > 0 && ratio <= 1))
      throw new UsageError(`--${kind} ${ratio} is no share of the original's: give a number above 0 and at most 1`)
  const cost = kind === 'bytes' ? parameterBytes : kind === 'latency' ? paddedMacs(block) : macs
  return { kind, ratios: [...new Set(ratios)].sort((a, b) => b - a), cost }
}
