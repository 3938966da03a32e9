// Which samples of a recipe are trained on, which choose between epochs, and which judge the result.
import { chooseSamples, type SampleShares, shareSamples } from '../../data/index.ts'
import type { FinetuneRecipe } from '../../recipe/index.ts'

/** Held back by default: a tenth, at most this many, and none where a tenth would be too few to tell epochs apart. */
const MOST_HELD = 1000
const LEAST_HELD = 200

/** Share of a small set that judges a quantised result: one in so many, at least some of them. */
const GUARD_SHARE = 8
const LEAST_GUARDS = 2
const LEAST_GUARDED = 8

export interface TrainingShares extends SampleShares {
  readonly train: number[]
  /** Held back to choose the best epoch. */
  readonly validation: number[]
  /** Held back to compare a quantised result with what it was before, where `validation` would be too few. */
  readonly guard: number[]
}

/**
 * Which samples are trained on, and which are held back.
 * @param heldBack kept from every fit already, by the command that this one goes on from
 */
export function trainingShares(
  size: number,
  recipe: Pick<FinetuneRecipe, 'samples' | 'val' | 'holdBack' | 'qat'>,
  heldBack?: readonly number[],
): TrainingShares {
  const separate = recipe.val !== undefined
  const shares = shareSamples(size, recipe.samples ?? size, { separate, heldBack })
  const all = shares.fit
  const total = all.length
  const tenth = Math.floor(total / 10)
  const count = recipe.holdBack ?? (tenth < LEAST_HELD ? 0 : Math.min(MOST_HELD, tenth))
  const guarded = recipe.qat && recipe.holdBack === undefined && count === 0 && total >= LEAST_GUARDED
  const number = guarded ? Math.max(LEAST_GUARDS, Math.floor(total / GUARD_SHARE)) : Math.min(count, total - 1)
  const kept = new Set(chooseSamples(all.length, number))
  const back = all.filter((_, i) => kept.has(i))
  return {
    ...shares,
    train: all.filter((_, i) => !kept.has(i)),
    validation: guarded ? [] : back,
    guard: guarded ? back : [],
  }
}
