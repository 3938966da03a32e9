// The end of a search: ranges from all samples, and what corrections found put on them.
import { report, throwIfCancelled } from '../../base/index.ts'
import { isExpensive } from '../../onnx/index.ts'
import {
  correctionsIn,
  type GridFamily,
  gridFamilies,
  insertQdq,
  makePlan,
  onRanges,
  type Plan,
  planOfFamilies,
} from '../../quantize/index.ts'
import { type Built, type Planned, planFor } from './build.ts'
import type { Candidate } from './candidate.ts'
import { CORRECTIONS } from './evidence.ts'
import { probeSize } from './float-choices.ts'
import { harmless } from './harmless.ts'
import { Judge } from './judge.ts'
import { storeCorrections } from './stored-corrections.ts'
import type { SearchContext } from './technique.ts'

/**
 * What wider ranges may cost in dB on the samples that widened them. Below this it is luck that the narrower ones had: other samples
 * do not have it (measured on the demo: 1.4 dB lost by the judge's samples, 0.2 dB gained by others).
 */
const MOST_LOST_DB = 2
/** Noise that a block of grids may bring more than before: a share, below what halving can tell. */
const SAME = 1.05
/** Measurements of blocks of grids. */
const SEARCH = { blocks: 8, most: 32 }

/** Once everything is decided, the held-back samples widen the ranges too; and what corrections found is written down. */
export async function settle(candidate: Candidate, context: SearchContext): Promise<Candidate> {
  const [plain, built] = [await candidate.plain(), await candidate.built()]
  const { samples } = context.source
  if (!samples || (!context.holdsBack && built === plain)) return candidate
  const { float, seen, reach, quantize } = candidate
  const { signal, progress } = context.options
  const all = await planFor(
    context.runtime,
    { model: float, shapes: seen.shapes },
    { source: { samples, withValidation: true }, options: quantize, reach },
    { signal, progress },
  )
  const found = correctionsIn(built.model, built.plan)
  const on = (planned: Planned): Built => ({ ...planned, ...onRanges(float, found, built.plan, planned.plan) })
  const scoreOf = async (planned: Planned) => (await context.judge.score(on(planned).model, { signal })).db
  const chosen = context.holdsBack && context.canTell ? await soundRanges(candidate, context, all, scoreOf) : all
  const corrections = storeCorrections(float, found, built.plan, chosen.plan)
  const settled = context.corrected(candidate, on(chosen), candidate.corrections)
  return corrections ? { ...settled, evidence: { ...settled.evidence, [CORRECTIONS]: corrections } } : settled
}

/**
 * The ranges of all samples, but for the few grids whose new steps do harm: one value that fills half of a map, such as the border
 * of a letterboxed picture, may lie on a step of one grid and between two of another, and is wrong everywhere at once then.
 */
async function soundRanges(
  candidate: Candidate,
  context: SearchContext,
  all: Planned,
  scoreOf: (planned: Planned) => Promise<number>,
): Promise<Planned> {
  const { db } = await candidate.score()
  const least = db - MOST_LOST_DB
  const wide = await scoreOf(all)
  if (!(wide < least)) return all
  const { float, quantize } = candidate
  const { statistics: fitted } = await candidate.built()
  const families = gridFamilies(all.plan, float.graph.nodes)
  const { placement, weightBits } = all.plan
  const mixed = (kept: ReadonlySet<GridFamily>): Planned => {
    const own = new Set(families.filter((family) => !kept.has(family)).flatMap(({ values }) => values))
    const statistics = new Map(
      [...all.statistics].map(([value, known]) => [value, (own.has(value) && fitted.get(value)) || known]),
    )
    return { plan: makePlan(float, placement, { statistics, options: quantize, weightBits }), statistics }
  }
  const narrow = mixed(new Set())
  // Where a single run takes seconds, the narrow ones are taken as they are.
  const tells = !isExpensive(candidate.seen.shapes)
  const kept = new Set(
    tells ? await harmlessRanges(candidate, context, families, { narrow: narrow.plan, wide: all.plan }) : [],
  )
  context.notes.push(
    `${families.length - kept.size} of ${families.length} ranges are those of the samples that fit: as wide as all samples need, they would cost ${(db - wide).toFixed(1)} dB`,
  )
  if (kept.size === 0) return narrow
  const part = mixed(kept)
  return (await scoreOf(part)) >= least ? part : narrow
}

/** Families whose wider grid, alone in an otherwise float model, is no noisier than the narrower one. */
async function harmlessRanges(
  { float, seen }: Candidate,
  { runtime, options, source: { samples } }: SearchContext,
  families: readonly GridFamily[],
  { narrow, wide }: { readonly narrow: Plan; readonly wide: Plan },
): Promise<readonly GridFamily[]> {
  const probe = await Judge.on(runtime, float, (await samples?.few(probeSize(seen.shapes))) ?? [])
  let measured = 0
  const noiseOf = (plan: Plan, some: readonly GridFamily[]) => {
    throwIfCancelled(options.signal)
    report(options, { step: 'ranges', done: measured++, total: SEARCH.most })
    return probe.noiseOf(insertQdq(float, planOfFamilies(plan, some)), options)
  }
  return harmless(
    families,
    async (some, form) => (form === 'before' ? SAME * (await noiseOf(narrow, some)) : noiseOf(wide, some)),
    SEARCH,
  )
}
