// A plan by hand: which channels go when layers keep so many of them, or just those that are listed.
import { InputError } from '../../base/index.ts'
import { keptOfShare } from './plan.ts'
import type { PruningProblem } from './problem.ts'

/**
 * The channels that go when layers keep a number of outputs (the first to go, go first), a share of them, or just those
 * listed.
 * @throws InputError for a layer that does not exist, channels that it does not have or that cannot go, with the reason
 */
export function channelsToKeep(
  { graph, ranked, closed, sets, free }: PruningProblem,
  wanted: ReadonlyMap<string, number | readonly number[]>,
  multiple = 1,
): ReadonlySet<number> {
  const removed = new Set(free)
  for (const [name, keep] of wanted) {
    const layer = graph.layers.find((one) => one.layer.name === name)
    const refuse = (what: string) => new InputError(`channels of layer "${name}": ${what}`, { node: name })
    if (!layer)
      throw refuse(`there is no such layer; the layers are ${graph.layers.map((one) => one.layer.name).join(', ')}`)
    const { output } = layer
    const why = closed.find((one) => one.name === name)?.reason ?? 'another layer needs them'
    const queue = ranked
      .filter(({ group }) => group.writers.includes(name))
      .flatMap(({ order }) => order)
      .sort((a, b) => a.loss - b.loss)
    if (typeof keep === 'object') {
      const open = new Set(ranked.flatMap(({ group }) => group.channels))
      const bad = keep.find((index) => !(Number.isInteger(index) && index >= 0 && index < output.length))
      if (keep.length === 0 || bad !== undefined)
        throw refuse(`it has channels 0 to ${output.length - 1}, got ${bad ?? 'none to keep'}`)
      const stay = new Set(keep.map((index) => output[index]))
      for (const id of output) {
        if (stay.has(id)) continue
        if (!open.has(id)) throw refuse(`not all of the others can go: ${why}`)
        removed.add(id)
      }
      continue
    }
    const count = keep > 0 && keep < 1 ? keptOfShare(output.length, keep, multiple) : keep
    if (!(Number.isInteger(count) && count >= 1 && count <= output.length))
      throw refuse(`it can keep 1 to ${output.length} of them, or a share below 1, got ${keep}`)
    const left = () => output.reduce((sum, id) => sum + (removed.has(id) ? 0 : 1), 0)
    for (const { id } of queue) if (left() > count) removed.add(id)
    if (left() > count) throw refuse(`no fewer than ${left()} can stay: ${why}`)
  }
  for (const set of sets)
    if ([...set].every((id) => removed.has(id))) throw new InputError('a value would be left without any channel')
  return removed
}
