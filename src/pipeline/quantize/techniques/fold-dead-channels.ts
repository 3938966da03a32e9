// Dead channels: those that never change become biases and go.
import { z } from 'zod'
import { foldDeadChannels, foldRequests } from '../../../rewrite/index.ts'
import { channelsFrom, type StoredChannels, storedChannels, storedChannelsSchema } from '../evidence.ts'
import { isBetter } from '../judge.ts'
import type { Technique } from '../technique.ts'

/** Channels in which dead ones were found; absent where BatchNormalization knew them. */
interface FoldEvidence {
  readonly channels?: StoredChannels
}

export const foldDeadChannelsTechnique: Technique<FoldEvidence> = {
  name: 'fold-dead-channels',
  row: 'folded',
  evidence: z.strictObject({ channels: storedChannelsSchema.exactOptional() }),
  requests: foldRequests,
  // Silent channels without weights cost nothing and let every later step see what matters: kept unless it hurts.
  keeps: (now, before) => !isBetter(before, now),
  async attempt(candidate, context) {
    const known = candidate.statistics.size > 0
    const statistics = known ? candidate.statistics : await context.channels(candidate, this)
    const { shapes } = candidate.seen
    const result = foldDeadChannels.apply(candidate.float, { shapes, statistics })
    const checked = await context.check(foldDeadChannels, result, candidate)
    if (!checked) return undefined
    const evidence = { ...candidate.evidence, [this.name]: known ? {} : { channels: storedChannels(statistics) } }
    const left = known ? { statistics: result.statistics } : {}
    return { candidate: context.candidate({ ...candidate, ...checked, ...left, evidence }) }
  },
  async replay(candidate, { channels }, context) {
    const statistics = channels ? channelsFrom(channels) : candidate.statistics
    const result = foldDeadChannels.apply(candidate.float, { shapes: candidate.seen.shapes, statistics })
    return context.candidate({ ...candidate, ...(await context.repeat(foldDeadChannels, result, candidate)) })
  },
}
