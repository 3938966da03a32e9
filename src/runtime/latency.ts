// Latency of two or more models on the same input, interleaved so that a slow moment hits all of them.
import { median, quantile } from '../math/index.ts'
import type { Model } from '../onnx/index.ts'
import type { Runtime, Session, TimeOptions, Values } from './session.ts'

export interface Latency {
  /** Median of the counted runs. */
  readonly medianMs: number
  /** Quartiles. */
  readonly lowMs: number
  readonly highMs: number
  readonly runs: number
}

/** Times sessions in turn on the same feeds (batch 1 or the model's fixed batch). */
export async function measureLatency(
  runtime: Runtime,
  sessions: readonly Session[],
  feeds: Values,
  options: TimeOptions = { warmups: 3, rounds: 60, limitMs: 3000 },
): Promise<Latency[]> {
  const { milliseconds } = await runtime.time(
    sessions,
    sessions.map(() => feeds),
    options,
  )
  return milliseconds.map(summary)
}

/** Openings of the sessions that times are pooled over. */
const OPENINGS = 5

/**
 * Times two models in turn on the same feeds, with sessions that are opened anew several times: where their memory comes to
 * lie, and what else the machine does for a second, changes the ratio by several per cent.
 * @param options of each opening
 */
export async function measureModels(
  runtime: Runtime,
  models: readonly [Model | Uint8Array, Model | Uint8Array],
  feeds: Values,
  options: TimeOptions = { warmups: 5, rounds: 40, limitMs: 600 },
): Promise<{ readonly before: Latency; readonly after: Latency }> {
  const [before = [], after = []] = await pooledTimes(runtime, models, feeds, { ...options, openings: OPENINGS })
  return { before: summary(before), after: summary(after) }
}

/** Milliseconds of each counted run of several models in turn, a list a model, over all openings of their sessions. */
export async function pooledTimes(
  runtime: Runtime,
  models: readonly (Model | Uint8Array)[],
  feeds: Values,
  { openings, ...options }: TimeOptions & { readonly openings: number },
): Promise<number[][]> {
  const times: number[][] = models.map(() => [])
  for (let opening = 0; opening < openings; opening++) {
    const sessions: Session[] = []
    try {
      for (const model of models)
        sessions.push(await runtime.open(model, { label: sessions.length === 0 ? 'the model' : 'a timed model' }))
      const { milliseconds } = await runtime.time(
        sessions,
        sessions.map(() => feeds),
        options,
      )
      for (const [index, list] of milliseconds.entries()) times[index]?.push(...list)
    } finally {
      for (const session of sessions) await session.close()
    }
  }
  return times
}

function summary(times: readonly number[]): Latency {
  return { medianMs: median(times), lowMs: quantile(times, 0.25), highMs: quantile(times, 0.75), runs: times.length }
}
