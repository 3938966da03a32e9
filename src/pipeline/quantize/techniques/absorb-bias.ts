// Bias absorption: what a channel always holds moves into the layers that read it, and its range gets shorter.
import { absorbBias as absorb, absorbBiasPass, channelRequests } from '../../../rewrite/index.ts'
import { channelsFrom, type StoredChannels, storedChannels, storedChannelsSchema } from '../evidence.ts'
import type { Technique } from '../technique.ts'

export const absorbBias: Technique<StoredChannels> = {
  name: 'absorb-bias',
  row: 'absorbed',
  evidence: storedChannelsSchema,
  requests: channelRequests,
  writesBiases: true,
  async attempt(candidate, context) {
    const channels = await context.channels(candidate, this)
    const result = absorb(candidate.float, { shapes: candidate.seen.shapes, statistics: channels })
    const checked = await context.check(absorbBiasPass, result, candidate)
    if (!checked) return undefined
    const known = candidate.statistics
    const statistics = new Map([...result.statistics].filter(([value]) => known.has(value)))
    const evidence = { ...candidate.evidence, [this.name]: storedChannels(channels) }
    return { candidate: context.candidate({ ...candidate, ...checked, statistics, evidence }) }
  },
  async replay(candidate, channels, context) {
    const statistics = channelsFrom(channels)
    const result = absorb(candidate.float, { shapes: candidate.seen.shapes, statistics })
    return context.candidate({ ...candidate, ...(await context.repeat(absorbBiasPass, result, candidate)) })
  },
}
