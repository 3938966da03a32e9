// The best choice under a budget: dynamic programming over pairs of cost and loss.
import { type Candidate, type Item, type Selection, selectionOf, undominated } from './item.ts'

/** Partial choices: the first items decided, one entry a reachable pair of cost and loss that no other dominates. */
interface Front {
  readonly cost: Float64Array
  readonly loss: Float64Array
  /** Entry of the front before, and the candidate that was added to it. */
  readonly parent: Int32Array
  readonly candidate: Int32Array
}

/** Entries of a front; where more are reachable the best in each of as many slices of the budget is kept. */
const ENTRIES = 1 << 14

/**
 * Chooses a candidate for every item such that the sum of costs is at most the budget and the sum of losses is least, for
 * each of several budgets in one go (undefined where a budget is out of reach). Costs are added as they are, so a choice
 * never exceeds its budget. Exact while at most 16,384 pairs of cost and loss are undominated; above, the loss may be off
 * by what a 16,384th of the largest budget buys.
 */
export function knapsack<C extends Candidate>(
  items: readonly Item<C>[],
  budgets: readonly number[],
): (Selection<C> | undefined)[] {
  const limit = Math.max(0, ...budgets)
  const options = items.map(({ unchanged, candidates }) => undominated([unchanged, ...candidates]))
  // The cheapest way to decide the items that follow: what exceeds the limit with it is dropped at once.
  const rest = new Float64Array(items.length + 1)
  for (let i = items.length - 1; i >= 0; i--) rest[i] = rest[i + 1]! + (options[i]![0]?.cost ?? 0)
  const fronts: Front[] = []
  let front = start()
  for (const [index, candidates] of options.entries()) {
    front = extend(front, candidates, limit - rest[index + 1]!)
    fronts.push(front)
  }
  return budgets.map((budget) => {
    const at = bestWithin(front, budget)
    return at === undefined ? undefined : selectionOf(trace(fronts, options, at))
  })
}

function start(): Front {
  return {
    cost: new Float64Array(1),
    loss: new Float64Array(1),
    parent: Int32Array.of(-1),
    candidate: Int32Array.of(-1),
  }
}

function extend(front: Front, candidates: readonly Candidate[], limit: number): Front {
  const pairs = front.cost.length * candidates.length
  const order: number[] = []
  const slices = pairs > 4 * ENTRIES ? new Int32Array(ENTRIES).fill(-1) : undefined
  const costOf = (pair: number) =>
    front.cost[Math.floor(pair / candidates.length)]! + candidates[pair % candidates.length]!.cost
  const lossOf = (pair: number) =>
    front.loss[Math.floor(pair / candidates.length)]! + candidates[pair % candidates.length]!.loss
  // A hair above the limit is rounding of the sum, not a choice that costs more.
  const most = limit * (1 + 1e-12)
  for (let pair = 0; pair < pairs; pair++) {
    const cost = costOf(pair)
    if (!(cost <= most)) continue
    if (!slices) {
      order.push(pair)
      continue
    }
    const slice = Math.min(ENTRIES - 1, Math.floor((cost / most) * ENTRIES))
    const other = slices[slice]!
    if (other < 0 || lossOf(pair) < lossOf(other)) slices[slice] = pair
  }
  if (slices) {
    // The cheapest pair stays whatever its loss: without it a reachable budget could become unreachable.
    order.push(0, ...slices.filter((pair) => pair > 0))
    if (costOf(0) > most) order.shift()
  }
  order.sort((a, b) => costOf(a) - costOf(b) || lossOf(a) - lossOf(b))
  let best = Number.POSITIVE_INFINITY
  const kept = order.filter((pair) => {
    const loss = lossOf(pair)
    if (!(loss < best)) return false
    best = loss
    return true
  })
  return {
    cost: Float64Array.from(kept, costOf),
    loss: Float64Array.from(kept, lossOf),
    parent: Int32Array.from(kept, (pair) => Math.floor(pair / candidates.length)),
    candidate: Int32Array.from(kept, (pair) => pair % candidates.length),
  }
}

/** Costs rise and losses fall along a front: the last entry within the budget is the best. */
function bestWithin({ cost }: Front, budget: number): number | undefined {
  let found: number | undefined
  for (let at = 0; at < cost.length && cost[at]! <= budget * (1 + 1e-12); at++) found = at
  return found
}

function trace<C>(fronts: readonly Front[], options: readonly (readonly C[])[], last: number): C[] {
  const chosen: C[] = []
  let at = last
  for (let item = fronts.length - 1; item >= 0; item--) {
    const front = fronts[item]!
    chosen.push(options[item]![front.candidate[at]!]!)
    at = front.parent[at]!
  }
  return chosen.reverse()
}
