// Parts of one pass, found by several workers: merged in the order of their samples they are what one pass over all finds.
import { InputError } from '../base/index.ts'

/** What a part has of one value. */
interface Mergeable<T> {
  readonly merge: (next: T) => void
}

/**
 * Merges parts, in the order of their samples; the first one takes the others in.
 * @param parts value → tally, of consecutive shares of the samples
 * @throws InputError when there is no part, or when parts do not know the same values
 * @example
 * ```ts
 * const parts = await Promise.all(shares.map((share) => calibratePart(runtime, model, share.batches, share)))
 * const statistics = statisticsIn(mergeParts(parts))
 * ```
 */
export function mergeParts<T extends Mergeable<T>>(parts: readonly ReadonlyMap<string, T>[]): ReadonlyMap<string, T> {
  const [first, ...others] = parts
  if (!first) throw new InputError('there is no part to merge')
  for (const part of others) {
    const lacking = [...first.keys()].find((value) => !part.has(value)) ?? [...part.keys()].find((v) => !first.has(v))
    if (lacking !== undefined)
      throw new InputError(
        `parts of different runs do not merge: only some of them know the value "${lacking}"; run the shards with one recipe and one model`,
      )
    for (const [value, tally] of first) {
      const next = part.get(value)
      if (next) tally.merge(next)
    }
  }
  return first
}

/** The statistics that tallies add up to. */
export function statisticsIn<T>(tallies: ReadonlyMap<string, { readonly statistics: () => T }>): Map<string, T> {
  return new Map([...tallies].map(([value, tally]) => [value, tally.statistics()]))
}

/** The items as they are; `note` hears of each. */
export async function* noted<T>(items: AsyncIterable<T>, note: () => void): AsyncGenerator<T, void, void> {
  for await (const item of items) {
    note()
    yield item
  }
}
