// The end of the ladder: ranges from all samples, and what corrections found put on them.
import { correctionsIn, onRanges } from '../../quantize/index.ts'
import { type Built, planFor } from './build.ts'
import type { Climb } from './climb.ts'
import { storeCorrections } from './learnt.ts'
import type { Standing } from './standing.ts'
import type { StoredStatistics } from './stored-statistics.ts'

type Corrected = StoredStatistics['corrections'] | undefined

/** Once everything is decided, the held-back samples widen the ranges too; and what corrections found is written down. */
export async function onAllSamples(
  climb: Climb,
  { float, seen, reach, plain, built }: Standing,
): Promise<{ built: Built; corrections: Corrected }> {
  const { signal, progress } = climb.options
  const quantize = climb.quantize
  if (!climb.holdsBack && built === plain) return { built, corrections: undefined }
  const source = { samples: climb.samples, withHeld: true }
  const watch = { signal, progress, ...(reach ? { reach } : {}) }
  const ranges = await planFor(climb.runtime, float, seen.shapes, source, quantize, watch)
  const found = correctionsIn(built.model, built.plan)
  return {
    built: { ...ranges, ...onRanges(float, found, built.plan, ranges.plan) },
    corrections: storeCorrections(float, found, built.plan, ranges.plan),
  }
}
