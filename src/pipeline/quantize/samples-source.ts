// Samples as a source: techniques learn from them, and those that are held back judge.
import { type ChannelRequest, channelStatistics } from '../../calibrate/index.ts'
import type { Model, Statistics } from '../../onnx/index.ts'
import type { RangeSource } from './build.ts'
import type { CalibrationSamples } from './calibration-samples.ts'
import type { Form } from './candidate.ts'
import { settle } from './settle.ts'
import type { SearchContext, Source } from './technique.ts'

export interface SamplesSourceOptions {
  /** Nothing is tried and nothing compared: ranges are taken from all samples. */
  readonly judges: boolean
  /** Ranges that are known already. */
  readonly ranges?: RangeSource
}

export function samplesSource(samples: CalibrationSamples, { judges, ranges }: SamplesSourceOptions): Source {
  let watched: { readonly float: Model; readonly statistics: Statistics } | undefined
  return {
    samples,
    judges,
    proves: 'samples',
    notes: [],
    // Ranges that the judge's samples took no part in: what it has not seen may be clipped, and it must notice.
    ranges: () => ranges ?? { samples, withValidation: !judges },
    channels: async (form, requests, context) => {
      if (watched?.float !== form.float && requests.length > 0)
        watched = { float: form.float, statistics: await watch(samples, form, requests, context) }
      const known = watched?.statistics
      return new Map(
        requests.flatMap(({ value }) => {
          const channels = known?.get(value)
          return channels ? [[value, channels]] : []
        }),
      )
    },
    attempt: (technique, candidate, context) => technique.attempt(candidate, context),
    ...(judges ? { finish: settle } : {}),
  }
}

/** One pass for all techniques to come: most of them change nothing, and what the next one asks for is then known. */
function watch(
  samples: CalibrationSamples,
  { float, seen: { shapes } }: Form,
  requests: readonly ChannelRequest[],
  { runtime, options, ahead }: SearchContext,
): Promise<Statistics> {
  const { signal, progress } = options
  const others = ahead.flatMap((technique) => technique.requests?.(float, shapes) ?? [])
  // Each value once; bounds that one request knows serve all.
  const all = [...new Map([...requests, ...others].map((request) => [request.value, request])).values()]
  return channelStatistics(runtime, float, samples.all(false), {
    requests: all,
    shapes,
    total: samples.fitting,
    signal,
    progress,
  })
}
