// Channel statistics of a float model on the ladder: what its rungs look at and no more, in one pass for both where they share it.
import { type ChannelRequest, channelStatistics } from '../../calibrate/index.ts'
import type { Statistics } from '../../onnx/index.ts'
import { equalizeRequests, foldRequests } from '../../rewrite/index.ts'
import type { Climb } from './climb.ts'
import type { Standing } from './standing.ts'

type Purpose = 'fold-dead-channels' | 'equalize'

const requestsOf: Readonly<Record<Purpose, typeof foldRequests>> = {
  'fold-dead-channels': foldRequests,
  equalize: equalizeRequests,
}

/** What those channels do that a rung looks at; no pass over the samples when there are none. */
export async function channelsOf(climb: Climb, { float, seen }: Standing, purpose: Purpose): Promise<Statistics> {
  const { signal, progress, techniques } = climb.options
  const { shapes } = seen
  const own = requestsOf[purpose](float, shapes)
  if (climb.channels?.float !== float && own.length > 0) {
    // Folding comes first, and mostly changes nothing: what equalisation asks for is looked at in the same pass.
    const both = purpose === 'fold-dead-channels' && techniques.includes('equalize')
    const requests = both ? union(own, equalizeRequests(float, shapes)) : own
    const watch = { shapes, total: climb.samples.fitting, signal, progress }
    const statistics = await channelStatistics(climb.runtime, float, climb.samples.all(false), requests, watch)
    climb.channels = { float, statistics }
  }
  const known = climb.channels?.statistics
  return new Map(
    own.flatMap(({ value }) => {
      const channels = known?.get(value)
      return channels ? [[value, channels]] : []
    }),
  )
}

/** Each value once; bounds that one request knows serve both. */
function union(some: readonly ChannelRequest[], others: readonly ChannelRequest[]): ChannelRequest[] {
  return [...new Map([...some, ...others].map((request) => [request.value, request])).values()]
}
