// Channel statistics of a float model on the ladder.
import { channelStatistics } from '../../calibrate/index.ts'
import type { Statistics } from '../../onnx/index.ts'
import { channelRequests } from '../../rewrite/index.ts'
import type { Climb } from './climb.ts'
import type { Standing } from './standing.ts'

/** What those channels do that folding and equalisation look at. */
export async function channelsOf(climb: Climb, { float, seen }: Standing): Promise<Statistics> {
  const { signal, progress } = climb.options
  return channelStatistics(climb.runtime, float, climb.samples.all(false), channelRequests(float, seen.shapes), {
    shapes: seen.shapes,
    total: climb.samples.fitting,
    signal,
    progress,
  })
}
