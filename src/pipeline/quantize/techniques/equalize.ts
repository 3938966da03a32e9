// Equalisation: factors found on channel statistics, proved, and ranges that reach as far as scaled values may.
import { z } from 'zod'
import type { Statistics } from '../../../onnx/index.ts'
import {
  capsWorthFreeing,
  type Equalized,
  equalize as equalizeChannels,
  equalizeRequests,
  equalizeRule,
  widestReaches,
} from '../../../rewrite/index.ts'
import { measureIntegerMin } from '../../../runtime/index.ts'
import type { WidestReach } from '../build.ts'
import type { Candidate, Form } from '../candidate.ts'
import { channelsFrom, type StoredChannels, storedChannels, storedChannelsSchema } from '../evidence.ts'
import { leastOfEqualization } from '../judge.ts'
import { gridsOf } from '../noise-grids.ts'
import type { SearchContext, Technique, Tried } from '../technique.ts'

interface EqualizeEvidence {
  /** How caps are kept, or which of them are freed. */
  readonly clip: 'hold' | 'exact' | readonly string[]
  /** What channels did. */
  readonly channels: StoredChannels
  /** Deviations around their means that channels below a held cap were taken to keep to, where those of the rewrite were too few. */
  readonly deviations?: number
  /** Absent: layers may get a Mul in front of them. */
  readonly gains?: false
}

/** What Muls in front of layers must gain, in dB, against equalisation without them. */
const LEAST_OF_GAINS = 0.3

export const equalize: Technique<EqualizeEvidence> = {
  name: 'equalize',
  row: 'equalised',
  evidence: z.strictObject({
    clip: z.union([z.enum(['hold', 'exact']), z.array(z.string())]),
    channels: storedChannelsSchema,
    deviations: z.number().exactOptional(),
    gains: z.literal(false).exactOptional(),
  }),
  requests: equalizeRequests,
  paysLater: true,
  async attempt(candidate, context) {
    const channels = await context.channels(candidate, this)
    const clip = await chooseClip(candidate, channels, context)
    const before = context.rewrites.length
    const made = await equalized(candidate, { channels, clip, gains: true }, context)
    if (!made?.gains || !context.judges) return made
    const between = context.rewrites.length
    const without = await equalized(candidate, { channels, clip, gains: false }, context)
    const other = await without?.candidate.score()
    const pays = !other || (await made.candidate.score()).db >= other.db + LEAST_OF_GAINS
    // The proof of the one that goes on is what the report tells.
    if (pays) context.rewrites.splice(between)
    else context.rewrites.splice(before, between - before)
    return pays ? made : without
  },
  async replay(candidate, { clip, channels, deviations, gains = true }, context) {
    const result = await scaled(candidate, { channels: channelsFrom(channels), clip, gains }, context, deviations)
    const rule = equalizeRule(clip === 'exact' ? 'exact' : 'hold', context.source.proves)
    const checked = await context.repeat(rule, result, candidate)
    return context.candidate({ ...candidate, ...checked, ...travelling(candidate, result) })
  },
}

/** What channels do, what becomes of caps, and whether layers may get a Mul in front of them. */
interface Means {
  readonly channels: Statistics
  readonly clip: EqualizeEvidence['clip']
  readonly gains: boolean
}

/** Equalised and proved; undefined where that changes nothing or does not hold. */
async function equalized(
  candidate: Candidate,
  means: Means,
  context: SearchContext,
): Promise<(Tried & { readonly gains: number }) | undefined> {
  const { channels, clip } = means
  const rule = equalizeRule(context.options.clip, context.source.proves)
  const kept = await withinBound(candidate, means, rule.boundDb, context)
  if (!kept) return undefined
  const { result, deviations } = kept
  const checked = await context.check(rule, result, candidate)
  if (!checked) return undefined
  const own = { clip, channels: storedChannels(channels), ...(deviations ? { deviations } : {}) }
  const evidence = { ...candidate.evidence, [equalize.name]: means.gains ? own : { ...own, gains: false } }
  const form = { ...candidate, ...checked, ...travelling(candidate, result), unequalized: candidate.float, evidence }
  const { gains } = result
  const { samples } = context.source
  if (!samples) return { candidate: context.candidate(form), gains }
  const reach = reachOf(form, result, samples.fitting)
  const least = leastOfEqualization(result.scaled, form.seen.shapes)
  return { candidate: context.candidate({ ...form, reach }), least, gains }
}

/** How far values reach whose channels were scaled; the equalised model is not needed for it any more. */
function reachOf(
  { float, seen }: Pick<Form, 'float' | 'seen'>,
  { scaled, statistics }: Equalized,
  samples: number,
): WidestReach {
  const reaches = widestReaches(float, statistics, seen.shapes, samples)
  const ends = new Map([...scaled].map((value) => [value, reaches(value)]))
  return (value) => ends.get(value)
}

/** What is said of caps, or which of them are freed because that gains more than an integer Min costs. */
async function chooseClip(
  candidate: Candidate,
  channels: Statistics,
  context: SearchContext,
): Promise<EqualizeEvidence['clip']> {
  const { clip } = context.options
  // Where nothing is measured, neither is time.
  if (clip !== 'auto') return clip
  if (!context.judges) return 'exact'
  const { float, seen } = candidate
  const timeOf = (value: string) => measureIntegerMin(context.runtime, seen.shapes.get(value)?.dims ?? [])
  const known = { shapes: seen.shapes, statistics: channels }
  const freed = await capsWorthFreeing(float, known, gridsOf(candidate, context.options), timeOf)
  context.notes.push(
    `${freed.size} ${freed.size === 1 ? 'cap was' : 'caps were'} freed for what they gain against the time of an integer Min`,
  )
  return [...freed]
}

/** What is tried where a held cap binds on samples that were not looked at: wider and wider. */
const DEVIATIONS = [undefined, 6, 9]

/** Scaled so that it keeps its bound on held-back samples too; undefined when none does. */
async function withinBound(
  candidate: Candidate,
  means: Means,
  boundDb: number,
  context: SearchContext,
): Promise<{ readonly result: Equalized; readonly deviations: number | undefined } | undefined> {
  let db = Number.NaN
  for (const deviations of DEVIATIONS) {
    const result = await scaled(candidate, means, context, deviations)
    if (!result.holdsCaps || !context.judges || result.changes.length === 0) return { result, deviations }
    db = await context.judge.lowestDb(result.model, { signal: context.options.signal })
    if (db >= boundDb) return { result, deviations }
  }
  context.notes.push(
    `equalize was reverted: held caps leave ${db.toFixed(1)} dB on samples that it did not look at, and ${boundDb} dB are needed; --clip exact moves the caps with their channels`,
  )
  return undefined
}

function scaled(
  candidate: Candidate,
  { channels, clip, gains }: Means,
  context: SearchContext,
  deviations?: number,
): Promise<Equalized> {
  const form = typeof clip === 'string' ? clip : new Set(clip)
  const { float, seen } = candidate
  const wider = deviations === undefined ? {} : { deviations }
  return equalizeChannels(float, seen.shapes, channels, {
    ...gridsOf(candidate, context.options),
    clip: form,
    gains,
    ...wider,
  })
}

/** What BatchNormalization knew, scaled like everything else. */
function travelling({ statistics }: Candidate, { statistics: now }: Equalized) {
  return statistics.size === 0 ? {} : { statistics: new Map([...now].filter(([value]) => statistics.has(value))) }
}
