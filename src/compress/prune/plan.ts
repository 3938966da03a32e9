// Which channels go under a budget: along each group's order, always where the loss is smallest for what it saves.
import type { CostBook } from './cost-book.ts'
import { type PruningGroup, stepOf } from './groups.ts'
import type { RankedGroup } from './order.ts'

export interface PrunePlan {
  /** Numbers of the channel graph that go. */
  readonly removed: ReadonlySet<number>
  /** Cost left ÷ before. */
  readonly ratio: number
  /** Predicted loss of each group that lost channels, under its first writer's name. */
  readonly losses: ReadonlyMap<string, number>
}

export interface PruneLimits {
  /** What a writer keeps is a multiple of this. */
  readonly multiple: number
  /** Sets of which at least one channel must stay each (`valueSets`). */
  readonly sets: readonly ReadonlySet<number>[]
  /** Goes whatever the budget: nothing reads it. */
  readonly free: ReadonlySet<number>
}

/** The channels of a group that still stay, the next to go first. */
interface Queue {
  readonly group: PruningGroup
  /** Numbers that go at a time, so that a writer keeps a multiple. */
  readonly step: number
  readonly rest: { readonly id: number; readonly loss: number }[]
  left: number
}

/** Channels of one group that went together. */
interface Step {
  readonly queue: Queue
  readonly taken: readonly { readonly id: number; readonly loss: number }[]
  readonly loss: number
  readonly saving: number
  /** What a choice goes by: loss for each unit saved. */
  readonly rate: number
}

/**
 * The plan for a share of the cost, or the smallest share that is in reach. What the last step saved too much is given
 * back where it hurts most.
 * @param book costs of the whole model; taken over
 */
export function planPruning(
  book: CostBook,
  ranked: readonly RankedGroup[],
  ratio: number,
  { multiple, sets, free }: PruneLimits,
): PrunePlan | number {
  if (book.total === 0) return 1
  const state = new Removal(book, sets)
  for (const id of free) if (state.fits([id])) state.take([id])
  const queues = ranked.map(({ group, order }): Queue => {
    const left = group.channels.filter((id) => !state.removed.has(id)).length
    return { group, step: stepOf(group, multiple), rest: order.filter(({ id }) => !state.removed.has(id)), left }
  })
  const steps: Step[] = []
  while (book.cost > ratio * book.total) {
    const next = state.next(queues, 1)
    if (!next) return book.cost / book.total
    // What is left to save may be had from another group for less, when this one's channels save far more than that.
    const missing = book.cost - ratio * book.total
    const step = next.saving < missing ? next : (state.next(queues, missing) ?? next)
    const { queue, taken } = step
    state.take(taken.map(({ id }) => id))
    queue.rest.splice(0, taken.length)
    queue.left -= taken.length
    steps.push(step)
  }
  const kept = giveBack(book, state, steps, ratio)
  const losses = new Map<string, number>()
  for (const { queue, loss } of kept) {
    const name = queue.group.writers[0] ?? ''
    losses.set(name, (losses.get(name) ?? 0) + loss)
  }
  return { removed: state.removed, ratio: book.cost / book.total, losses }
}

/** Undoes steps, the dearest first and of a group the last first, as long as the budget holds. */
function giveBack(book: CostBook, state: Removal, steps: readonly Step[], ratio: number): Step[] {
  const kept = [...steps]
  for (const step of steps.toSorted((a, b) => b.rate - a.rate)) {
    if (kept.findLast(({ queue }) => queue === step.queue) !== step) continue
    const ids = step.taken.map(({ id }) => id)
    state.put(ids)
    if (book.cost <= ratio * book.total) kept.splice(kept.indexOf(step), 1)
    else state.take(ids)
  }
  return kept
}

/** What is taken out so far, and which values have how many channels left. */
class Removal {
  readonly removed = new Set<number>()
  readonly #book: CostBook
  readonly #left: number[]
  readonly #setsOf = new Map<number, number[]>()

  constructor(book: CostBook, sets: readonly ReadonlySet<number>[]) {
    this.#book = book
    this.#left = sets.map((set) => set.size)
    for (const [index, set] of sets.entries())
      for (const id of set) {
        const list = this.#setsOf.get(id) ?? []
        list.push(index)
        this.#setsOf.set(id, list)
      }
  }

  take(ids: readonly number[]): void {
    this.#book.remove(ids)
    for (const id of ids) {
      this.removed.add(id)
      for (const index of this.#setsOf.get(id) ?? []) this.#left[index]!--
    }
  }

  put(ids: readonly number[]): void {
    this.#book.restore(ids)
    for (const id of ids) {
      this.removed.delete(id)
      for (const index of this.#setsOf.get(id) ?? []) this.#left[index]!++
    }
  }

  /** Does every value keep a channel without these? */
  fits(ids: readonly number[]): boolean {
    const lost = new Map<number, number>()
    for (const id of ids) for (const index of this.#setsOf.get(id) ?? []) lost.set(index, (lost.get(index) ?? 0) + 1)
    return [...lost].every(([index, count]) => this.#left[index]! > count)
  }

  /** The step of the least loss for what it saves, up to what is needed; undefined when none saves as much. */
  next(queues: readonly Queue[], needed: number): Step | undefined {
    let best: Step | undefined
    for (const queue of queues)
      for (let count = queue.left % queue.step || queue.step; count < queue.left; count += queue.step) {
        const taken = queue.rest.slice(0, count)
        const ids = taken.map(({ id }) => id)
        if (taken.length < count || !this.fits(ids)) break
        const saving = this.#book.saving(ids)
        // Nothing may be saved until a whole block of channels is gone.
        if (saving < needed) continue
        const loss = taken.reduce((sum, each) => sum + each.loss, 0)
        const rate = needed > 1 ? loss / needed : loss / saving
        if (!best || rate < best.rate) best = { queue, taken, loss, saving, rate }
        break
      }
    return best
  }
}

/** Channels that stay of `count` when a share is to be kept: rounded down, or up to a multiple; at least one, at most all. */
export function keptOfShare(count: number, share: number, multiple: number): number {
  // A product such as 0.29 · 100 lies just below the integer that is meant.
  const exact = count * share
  const whole = multiple === 1 ? Math.floor(exact + 1e-9) : Math.ceil(exact / multiple - 1e-9) * multiple
  return Math.min(count, Math.max(1, whole))
}
