// The end of the ladder: ranges from all samples, and what corrections found put on them.
import { report, throwIfCancelled } from '../../base/index.ts'
import { correctionsIn, gridFamilies, insertQdq, makePlan, onRanges, planOfFamilies } from '../../quantize/index.ts'
import { type Built, type Planned, planFor } from './build.ts'
import { harmless } from './checked-ranges.ts'
import type { Climb } from './climb.ts'
import { probeSize } from './keep-float.ts'
import { storeCorrections } from './learnt.ts'
import { Probe } from './probe.ts'
import type { Standing } from './standing.ts'
import type { StoredStatistics } from './stored-statistics.ts'

type Corrected = StoredStatistics['corrections'] | undefined

/** What wider ranges may cost in dB on the samples that widened them: there they clip nothing any more. */
const MOST_LOST_DB = 0.5
/** Noise that a block of grids may bring more than before: a share, below what halving can tell. */
const SAME = 1.05
/** Measurements of blocks of grids. */
const SEARCH = { blocks: 8, most: 32 }

/** Once everything is decided, the held-back samples widen the ranges too; and what corrections found is written down. */
export async function onAllSamples(
  climb: Climb,
  standing: Standing,
): Promise<{ built: Built; corrections: Corrected }> {
  const { float, seen, reach, plain, built } = standing
  const { signal, progress } = climb.options
  if (!climb.holdsBack && built === plain) return { built, corrections: undefined }
  const source = { samples: climb.samples, withHeld: true }
  const watch = { signal, progress, ...(reach ? { reach } : {}) }
  const ranges = await planFor(climb.runtime, float, seen.shapes, source, climb.quantize, watch)
  const found = correctionsIn(built.model, built.plan)
  const on = (planned: Planned): Built => ({ ...planned, ...onRanges(float, found, built.plan, planned.plan) })
  const chosen = climb.holdsBack && climb.canTell ? await soundRanges(climb, standing, ranges, on) : ranges
  return { built: on(chosen), corrections: storeCorrections(float, found, built.plan, chosen.plan) }
}

/**
 * The ranges of all samples, but for the few grids whose new steps do harm: one value that fills half of a map, such as the border
 * of a letterboxed picture, may lie on a step of one grid and between two of another, and is wrong everywhere at once then.
 */
async function soundRanges(
  climb: Climb,
  { float, seen, built, score }: Standing,
  ranges: Planned,
  on: (planned: Planned) => Built,
): Promise<Planned> {
  const least = score.db - MOST_LOST_DB
  const scoreOf = async (planned: Planned) => (await climb.score(on(planned))).db
  const wide = await scoreOf(ranges)
  if (!(wide < least)) return ranges
  const { runtime, options, samples } = climb
  const fitted = built.statistics
  const families = gridFamilies(ranges.plan, float.graph.nodes)
  const mixed = (kept: ReadonlySet<(typeof families)[number]>): Planned => {
    const own = families.filter((family) => !kept.has(family)).flatMap(({ values }) => values)
    const statistics = new Map(ranges.statistics)
    for (const value of own) {
      const known = fitted.get(value)
      if (known) statistics.set(value, known)
    }
    const { placement, weightBits } = ranges.plan
    return { plan: makePlan(placement, statistics, climb.quantize, weightBits), statistics }
  }
  const narrow = mixed(new Set())
  const probe = await Probe.of(runtime, float, await samples.few(probeSize(seen.shapes)))
  let measured = 0
  const kept = await harmless(
    families,
    async (some, form) => {
      throwIfCancelled(options.signal)
      report(options, 'ranges', measured++, SEARCH.most)
      const plan = planOfFamilies(form === 'minmax' ? narrow.plan : ranges.plan, some)
      const noise = await probe.noiseOf(insertQdq(float, plan), options)
      return form === 'minmax' ? SAME * noise : noise
    },
    SEARCH,
  )
  const part = mixed(new Set(kept))
  climb.notes.push(
    `${families.length - kept.length} of ${families.length} ranges are those of the samples that fit: as wide as all samples need, they would cost ${(score.db - wide).toFixed(1)} dB`,
  )
  return (await scoreOf(part)) >= least ? part : narrow
}
