// The order of a quantisation: techniques are tried one after the other, each is measured on held-back samples, and the best stays.
// The same for samples, for what was stored of them, and for BatchNormalization's statistics; only judging falls away there.
import type { Statistics } from '../../onnx/index.ts'
import type { TechniqueRow } from '../../report/index.ts'
import type { AppliedRewrite } from '../../rewrite/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import type { Built } from './build.ts'
import type { Candidate, Form } from './candidate.ts'
import { RunningSearch } from './context.ts'
import { isBetter, LEAST_GAIN_DB } from './judge.ts'
import { gain } from './rows.ts'
import type { SearchContext, SearchOptions, Source, Technique, Tried } from './technique.ts'
import { withExplicitBiases } from './techniques/explicit-biases.ts'

/** Where a search ends. */
export interface Found {
  readonly best: Candidate
  readonly built: Built
  /** The quantisation without any technique, where candidates were compared. */
  readonly naive?: Built
  readonly rows: readonly TechniqueRow[]
  readonly rewrites: readonly AppliedRewrite[]
  readonly notes: readonly string[]
  /** What the channels of values do that techniques looked at, as the model came. */
  readonly channels: Statistics
}

/** A candidate that was not kept and may pay once later techniques have run. */
interface Rival {
  readonly candidate: Candidate
  readonly made: Technique
  /** What it must gain, in dB: what its technique asks for, and what it lost on its own, which other samples may lose as well. */
  readonly least: number
}

/** @param given a rewritten float model, what it gave on a sample, and what BatchNormalization knew of it */
export async function search(
  runtime: Runtime,
  given: Pick<Form, 'float' | 'seen' | 'statistics'>,
  source: Source,
  options: SearchOptions,
): Promise<Found> {
  const { quantize, techniques } = options
  const context = await RunningSearch.of(runtime, given.float, source, options)
  context.step('naive')
  const form = { ...given, quantize, applied: [], evidence: {} }
  const naive = context.candidate(await withExplicitBiases(form, context))
  if (context.judges) context.rows.add('naive', true, await naive.score(), `${context.judge.samples} held-back samples`)
  const tried = await tryAll(naive, techniques, source, context)
  const best = source.finish ? await source.finish(tried, context) : tried
  return {
    best,
    built: await best.built(),
    ...(context.judges ? { naive: await naive.plain() } : {}),
    rows: context.rows.all,
    rewrites: context.rewrites,
    notes: [...source.notes, ...context.notes],
    channels: context.watched,
  }
}

/** Tries techniques one after the other, from a candidate that none has touched. */
export async function tryAll(
  naive: Candidate,
  techniques: readonly Technique[],
  source: Pick<Source, 'attempt'>,
  context: RunningSearch,
): Promise<Candidate> {
  let best = naive
  let rival: Rival | undefined
  for (const [index, technique] of techniques.entries()) {
    context.ahead = techniques.slice(index)
    context.step(technique.row, context.judges ? await best.score() : undefined)
    const attempt = await source.attempt(technique, best, context)
    if (!attempt) continue
    if ('leftOut' in attempt) context.rows.leave(technique.row, attempt.leftOut)
    else if (!context.judges) best = applied(technique, attempt.candidate)
    else ({ best, rival } = await decide(context, technique, { best, rival }, attempt))
  }
  for (const { name, relearn } of techniques)
    if (relearn && context.holdsBack && best.applied.includes(name)) best = await relearn(best, context)
  return best
}

/** What goes on: the best so far, and what may pay later. */
interface Leading {
  readonly best: Candidate
  readonly rival: Rival | undefined
}

/** Which candidate goes on: the best so far, what a technique made of it, or what it made of the rival. */
async function decide(
  context: RunningSearch,
  technique: Technique,
  { best, rival }: Leading,
  attempt: Tried,
): Promise<Leading> {
  const [before, own] = [await best.score(), await attempt.candidate.score()]
  const other = rival && technique.triesRival ? await technique.attempt(rival.candidate, context) : undefined
  const second = other && 'candidate' in other ? other.candidate : undefined
  const wins = second !== undefined && isBetter(await second.score(), own, rival?.least)
  const next = wins ? second : attempt.candidate
  const now = await next.score()
  const judged = wins ? undefined : attempt.kept
  const kept =
    judged ?? (technique.keeps?.(now, before) || context.keeps(now, before, wins ? undefined : attempt.least))
  context.rows.add(technique.row, kept, now, attempt.gained ?? gain(now, before))
  if (!kept)
    return { best, rival: technique.paysLater ? rivalOf(next, technique, attempt.least, before.db - now.db) : rival }
  if (!wins || !rival) return { best: applied(technique, next), rival: await carried(context, technique, next, rival) }
  context.rows.revise(rival.made.row, `kept for what it gives once ${technique.name} has run (${gain(now, own)})`)
  return { best: applied(technique, applied(rival.made, next)), rival: undefined }
}

function rivalOf(candidate: Candidate, made: Technique, least = LEAST_GAIN_DB, lost = 0): Rival {
  return { candidate, made, least: least + Math.max(0, lost) }
}

/** The rival beside a better best: its evidence holds for the rival too; what it was made by may have paid at once. */
async function carried(context: SearchContext, { paysLater, name, replay }: Technique, best: Candidate, rival?: Rival) {
  if (paysLater) return undefined
  if (!rival || !replay) return rival
  return { ...rival, candidate: await replay(rival.candidate, best.evidence[name], context) }
}

const applied = ({ name }: Technique, candidate: Candidate): Candidate => ({
  ...candidate,
  applied: [...candidate.applied, name],
})
