// The published greedy threshold search ("greedy compression ratio selection", AIMET), kept for comparison.
import { type Candidate, cheapest, type Item, type Selection, selectionOf } from './item.ts'

export interface GreedyOptions {
  /** Wanted cost of all items, including what `fixed` counts, as a share of what they cost unchanged. */
  readonly ratio: number
  /** Cost of what is not chosen about. */
  readonly fixed?: number
}

const MOST_STEPS = 64

/**
 * Bisects one loss threshold for all items. An item takes the strongest candidate before its loss first exceeds the
 * threshold, going from mild to strong; it stays unchanged when the mildest exceeds it. Ends when the cost is within 0.001
 * of the wanted ratio (above it as well) or when the threshold is known to a 10,000th of the spread of losses. Candidates
 * go from strong to mild, as ratios rise.
 *
 * Kept literally, with its flaw that a threshold equal to an item's largest loss leaves the item unchanged. Only an
 * unreachable ratio is not answered with the unchanged items, as the original does without a word: it gives undefined.
 */
export function greedy<C extends Candidate>(
  items: readonly Item<C>[],
  options: GreedyOptions,
): Selection<C> | undefined {
  const { ratio, fixed = 0 } = options
  const base = fixed + items.reduce((sum, item) => sum + item.unchanged.cost, 0)
  if (fixed + cheapest(items).cost > (ratio + 0.001) * base) return undefined
  const losses = items.flatMap((item) => item.candidates.map((candidate) => candidate.loss)).filter(Number.isFinite)
  if (losses.length === 0) return ratio >= 1 ? selectionOf(items.map((item) => item.unchanged)) : undefined
  let mild = Math.min(...losses)
  let strong = Math.max(...losses)
  const enough = (strong - mild) * 1e-4
  // Each halves the distance, so 14 are enough; a loss that is not a number must not keep it going.
  for (let step = 0; ; step++) {
    const threshold = (mild + strong) / 2
    const selection = selectAt(items, threshold)
    const reached = (fixed + selection.cost) / base
    if (step >= MOST_STEPS || strong - mild <= enough) {
      const last = selectAt(items, strong)
      // Where the flaw leaves items unchanged, the target is missed by the method and not by the items.
      return (fixed + last.cost) / base > ratio + 0.001 ? undefined : last
    }
    if (Math.abs(reached - ratio) <= 0.001) return selection
    if (reached > ratio) mild = threshold
    else strong = threshold
  }
}

function selectAt<C extends Candidate>(items: readonly Item<C>[], threshold: number): Selection<C> {
  return selectionOf(items.map((item) => candidateAt(item, threshold)))
}

function candidateAt<C extends Candidate>({ unchanged, candidates }: Item<C>, threshold: number): C {
  const strongest = candidates[0]
  const mildest = candidates.at(-1)
  if (!strongest || !mildest || mildest.loss > threshold) return unchanged
  if (strongest.loss < threshold) return strongest
  for (let i = candidates.length - 2; i >= 0; i--) if (candidates[i]!.loss > threshold) return candidates[i + 1]!
  return unchanged
}
