// The order in which channels go: one after the other, each the one that is missed least by then.
import type { Elimination } from './elimination.ts'
import type { PruningGroup } from './groups.ts'

/** What decides the order beside the fits of the consumers. */
export interface EliminationOptions {
  /** What consumers that are not fitted anew lose with a channel. */
  readonly energies: ReadonlyMap<number, number>
  /** What a channel less of a group saves. */
  readonly saving: (group: PruningGroup) => number
  /** Number → its turn, when something else than the loss decides. */
  readonly forced?: ReadonlyMap<number, number> | undefined
  /** What a group's losses are multiplied by; default 1. */
  readonly sensitivities: ReadonlyMap<PruningGroup, number>
}

/**
 * Takes channels out one by one until each group has one left: always the one of the least loss for what it saves.
 */
export function eliminate(
  groups: readonly PruningGroup[],
  eliminations: readonly Elimination[],
  { energies, saving, forced, sensitivities }: EliminationOptions,
): Map<PruningGroup, { id: number; loss: number }[]> {
  const groupOf = new Map(groups.flatMap((group) => group.channels.map((id) => [id, group] as const)))
  const consumersOf = new Map<number, Elimination[]>()
  for (const id of groupOf.keys())
    consumersOf.set(
      id,
      eliminations.filter((one) => one.has(id)),
    )
  const worth = new Map(groups.map((group) => [group, 1 / Math.max(1, saving(group))]))
  const lossOf = (id: number) => {
    const own = (consumersOf.get(id) ?? []).reduce((sum, one) => sum + one.cost(id), energies.get(id) ?? 0)
    const group = groupOf.get(id)
    return own * ((group && sensitivities.get(group)) ?? 1)
  }
  if (groups.length === 1 && forced === undefined && [...consumersOf.values()].every((list) => list.length === 0))
    return new Map(groups.map((group) => [group, sortedByLoss(group, lossOf)]))
  const losses = new Map([...groupOf.keys()].map((id) => [id, lossOf(id)]))
  const left = new Map(groups.map((group) => [group, group.channels.length]))
  const orders = new Map(groups.map((group) => [group, [] as { id: number; loss: number }[]]))
  for (;;) {
    let best: { id: number; score: number } | undefined
    for (const [id, loss] of losses) {
      const group = groupOf.get(id)
      if (!group || (left.get(group) ?? 0) <= 1) continue
      const score = forced ? (forced.get(id) ?? 0) : loss * (worth.get(group) ?? 1)
      if (!best || score < best.score) best = { id, score }
    }
    const group = best && groupOf.get(best.id)
    if (!best || !group) return orders
    const order = orders.get(group)
    // Rounding can make a later one cheaper than an earlier one; what is paid so far is what counts.
    order?.push({ id: best.id, loss: Math.max(losses.get(best.id) ?? 0, order.at(-1)?.loss ?? 0) })
    left.set(group, (left.get(group) ?? 0) - 1)
    losses.delete(best.id)
    const touched = consumersOf.get(best.id) ?? []
    for (const one of touched) one.remove(best.id)
    for (const id of losses.keys())
      if (consumersOf.get(id)?.some((one) => touched.includes(one))) losses.set(id, lossOf(id))
  }
}

/** Without anything to fit anew, a loss does not depend on what went before. */
function sortedByLoss({ channels }: PruningGroup, lossOf: (id: number) => number): { id: number; loss: number }[] {
  const order = channels.map((id) => ({ id, loss: lossOf(id) })).sort((a, b) => a.loss - b.loss)
  return order.slice(0, -1)
}
