// What is chosen between: an item (a layer) can stay as it is or be replaced by one of its candidates.

/** One way to treat an item. Costs are not negative; a lower loss is better and may be negative. */
export interface Candidate {
  readonly cost: number
  readonly loss: number
}

/** An item, what it costs unchanged, and what it can become. */
export interface Item<C extends Candidate = Candidate> {
  readonly name: string
  readonly unchanged: C
  readonly candidates: readonly C[]
}

/** A choice for every item, in their order. */
export interface Selection<C extends Candidate = Candidate> {
  readonly chosen: readonly C[]
  readonly cost: number
  readonly loss: number
}

/** Cost and loss of a choice. */
export function selectionOf<C extends Candidate>(chosen: readonly C[]): Selection<C> {
  let cost = 0
  let loss = 0
  for (const candidate of chosen) {
    cost += candidate.cost
    loss += candidate.loss
  }
  return { chosen, cost, loss }
}

/** The cheapest choice there is; of equally cheap ones the better. A budget below its cost is out of reach. */
export function cheapest<C extends Candidate>(items: readonly Item<C>[]): Selection<C> {
  return selectionOf(
    items.map(({ unchanged, candidates }) =>
      candidates.reduce((best, other) => (isCheaper(other, best) ? other : best), unchanged),
    ),
  )
}

function isCheaper(a: Candidate, b: Candidate): boolean {
  return a.cost < b.cost || (a.cost === b.cost && a.loss < b.loss)
}

/** Candidates of which no other is at least as cheap and as good, cheapest first. A loss of NaN never wins. */
export function undominated<C extends Candidate>(candidates: readonly C[]): C[] {
  const kept: C[] = []
  let best = Number.POSITIVE_INFINITY
  for (const candidate of candidates.toSorted((a, b) => a.cost - b.cost || a.loss - b.loss))
    if (candidate.loss < best) {
      kept.push(candidate)
      best = candidate.loss
    }
  return kept
}
