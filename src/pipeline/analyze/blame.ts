// Who is to blame for noise: an outlier channel does harm wherever it passes, and the layer that makes it is at fault.
import { type ChannelStatistics, dataInput, type Statistics } from '../../onnx/index.ts'
import { outlierOf, reachOf, shareOfOutlier } from './causes.ts'
import type { Owner } from './owners.ts'
import type { LayerNoise } from './run.ts'

/** A row of an analysis as it does alone. */
export interface Noisy {
  readonly owner: Owner
  readonly noise: LayerNoise
  /** The values of its grids. */
  readonly values: readonly string[]
}

/** Share of a channel's reach behind a sum that one side of it must bring to be its origin. */
const ORIGIN = 0.5

/**
 * Each row's noise by its name, moved to where its reason lies: what an outlier channel does to the weights that read it, and to the
 * grid of a sum that it passes through, counts for the row that makes it.
 * @param rows in the order of the graph
 */
export function blames(
  rows: readonly Noisy[],
  channels: Statistics,
  ownerOf: (value: string) => Owner,
): ReadonlyMap<string, number> {
  const blame = new Map(rows.map(({ owner, noise }) => [owner.name, noise.both]))
  const move = (from: string, to: string, noise: number) => {
    if (from === to || !blame.has(to)) return
    blame.set(from, (blame.get(from) ?? 0) - noise)
    blame.set(to, (blame.get(to) ?? 0) + noise)
  }
  for (const { owner, noise, values } of rows.toReversed()) {
    if (owner.layer) {
      const value = dataInput(owner.layer)
      const seen = channels.get(value)
      if (seen) move(owner.name, ownerOf(value).name, shareOfOutlier(seen) * Math.min(noise.weights, noise.both))
      continue
    }
    const origin = values.map((value) => originOf(owner, channels.get(value), channels)).find((name) => name)
    if (origin !== undefined) move(owner.name, ownerOf(origin).name, blame.get(owner.name) ?? 0)
  }
  return blame
}

/** The input of a sum that brings the outlier channel of its result. */
function originOf({ inputs }: Owner, made: ChannelStatistics | undefined, channels: Statistics): string | undefined {
  const worst = made && outlierOf(made)
  if (!worst) return undefined
  const reach = reachOf(made)[worst.channel] ?? 0
  return inputs.find((input) => {
    const seen = channels.get(input)
    return seen && outlierOf(seen)?.channel === worst.channel && (reachOf(seen)[worst.channel] ?? 0) >= ORIGIN * reach
  })
}
