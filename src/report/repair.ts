// Which layers the techniques repaired, and which still hurt: by the noise at their outputs, before and after.
import { sqnrRank } from './figures.ts'
import type { LayerRow } from './report.ts'

/** A tenth of the signal's power: what comes out of a layer below this carries a visible part of noise. */
export const HURT_DB = 10
/** Half the noise. */
export const REPAIRED_DB = 3

export type Repair = 'repaired' | 'fine' | 'hurt'

/** How a layer stands; undefined when it was not measured. */
export function repairOf({ sqnrDb, naiveSqnrDb }: LayerRow): Repair | undefined {
  if (sqnrDb === undefined) return undefined
  if (sqnrRank(sqnrDb) < HURT_DB) return 'hurt'
  return naiveSqnrDb !== undefined && sqnrRank(sqnrDb) - sqnrRank(naiveSqnrDb) >= REPAIRED_DB ? 'repaired' : 'fine'
}

export interface Repairs {
  readonly repaired: readonly LayerRow[]
  /** The worst first. */
  readonly hurt: readonly LayerRow[]
  /** Of those that hurt: how many lost half of their noise all the same. */
  readonly eased: number
  readonly measured: number
}

/** Counts of a whole network; undefined when no layer was measured. */
export function repairsOf(layers: readonly LayerRow[]): Repairs | undefined {
  const known = layers.filter(({ sqnrDb }) => sqnrDb !== undefined)
  if (known.length === 0) return undefined
  const hurt = known
    .filter((layer) => repairOf(layer) === 'hurt')
    .sort((a, b) => sqnrRank(a.sqnrDb) - sqnrRank(b.sqnrDb))
  return {
    repaired: known.filter((layer) => repairOf(layer) === 'repaired'),
    hurt,
    eased: hurt.filter(
      ({ sqnrDb, naiveSqnrDb }) => naiveSqnrDb !== undefined && sqnrRank(sqnrDb) - sqnrRank(naiveSqnrDb) >= REPAIRED_DB,
    ).length,
    measured: known.length,
  }
}
