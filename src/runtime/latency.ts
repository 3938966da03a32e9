// Latency of two or more models on the same input, interleaved so that a slow moment hits all of them.
import { median, quantile } from '../math/index.ts'
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
  options: TimeOptions = { warmups: 5, rounds: 300, limitMs: 3000 },
): Promise<Latency[]> {
  const { milliseconds } = await runtime.time(
    sessions,
    sessions.map(() => feeds),
    options,
  )
  return milliseconds.map((times) => ({
    medianMs: median(times),
    lowMs: quantile(times, 0.25),
    highMs: quantile(times, 0.75),
    runs: times.length,
  }))
}
