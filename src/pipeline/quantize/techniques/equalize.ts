// Equalisation: factors found on channel statistics, proved, and ranges that reach as far as scaled values may.
import { z } from 'zod'
import type { Statistics } from '../../../onnx/index.ts'
import { place, weightBitsOf } from '../../../quantize/index.ts'
import {
  capsWorthFreeing,
  type Equalized,
  equalize as equalizeChannels,
  equalizeRequests,
  equalizeRule,
  widestReaches,
} from '../../../rewrite/index.ts'
import { measureIntegerMin, typesOf } from '../../../runtime/index.ts'
import type { Candidate } from '../candidate.ts'
import { channelsFrom, type StoredChannels, storedChannels, storedChannelsSchema } from '../evidence.ts'
import { leastOfEqualization } from '../judge.ts'
import { noiseGrids } from '../noise-grids.ts'
import type { SearchContext, Technique } from '../technique.ts'

interface EqualizeEvidence {
  /** How caps are kept, or which of them are freed. */
  readonly clip: 'hold' | 'exact' | readonly string[]
  /** What channels did. */
  readonly channels: StoredChannels
}

export const equalize: Technique<EqualizeEvidence> = {
  name: 'equalize',
  row: 'equalised',
  evidence: z.strictObject({
    clip: z.union([z.enum(['hold', 'exact']), z.array(z.string())]),
    channels: storedChannelsSchema,
  }),
  requests: equalizeRequests,
  paysLater: true,
  async attempt(candidate, context) {
    const channels = await context.channels(candidate, this)
    const clip = await chooseClip(candidate, channels, context)
    const result = await scaled(candidate, channels, clip, context)
    const checked = await context.check(equalizeRule(context.options.clip, context.source.proves), result, candidate)
    if (!checked) return undefined
    const evidence = { ...candidate.evidence, [this.name]: { clip, channels: storedChannels(channels) } }
    const form = { ...candidate, ...checked, ...travelling(candidate, result), unequalized: candidate.float, evidence }
    const { samples } = context.source
    if (!samples) return { candidate: context.candidate(form) }
    const reaches = widestReaches(form.float, result.statistics, form.seen.shapes, samples.fitting)
    const reach = (value: string) => (result.scaled.has(value) ? reaches(value) : undefined)
    const least = leastOfEqualization(result.scaled, form.seen.shapes)
    return { candidate: context.candidate({ ...form, reach, least }) }
  },
  async replay(candidate, { clip, channels }, context) {
    const result = await scaled(candidate, channelsFrom(channels), clip, context)
    const rule = equalizeRule(clip === 'exact' ? 'exact' : 'hold', context.source.proves)
    const checked = await context.repeat(rule, result, candidate)
    return context.candidate({ ...candidate, ...checked, ...travelling(candidate, result) })
  },
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
  const freed = await capsWorthFreeing(float, seen.shapes, channels, gridsOf(candidate, context), timeOf)
  context.notes.push(
    `${freed.size} ${freed.size === 1 ? 'cap was' : 'caps were'} freed for what they gain against the time of an integer Min`,
  )
  return [...freed]
}

function scaled(
  candidate: Candidate,
  channels: Statistics,
  clip: EqualizeEvidence['clip'],
  context: SearchContext,
): Promise<Equalized> {
  const form = typeof clip === 'string' ? clip : new Set(clip)
  const { float, seen } = candidate
  return equalizeChannels(float, seen.shapes, channels, { ...gridsOf(candidate, context), clip: form })
}

/** The grids that it reckons with. */
function gridsOf({ float, quantize }: Candidate, { options: { signal, progress } }: SearchContext) {
  const bits = weightBitsOf(place(float, quantize, typesOf(float)), float.graph.nodes, quantize)
  return { ...noiseGrids(quantize, bits), signal, progress }
}

/** What BatchNormalization knew, scaled like everything else. */
function travelling({ statistics }: Candidate, { statistics: now }: Equalized) {
  return statistics.size === 0 ? {} : { statistics: new Map([...now].filter(([value]) => statistics.has(value))) }
}
