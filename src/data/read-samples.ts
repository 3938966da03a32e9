// Reading ahead: the next samples are decoded while the consumer works, a bounded number of them, in order.
import { settledWithin, throwIfCancelled } from '../base/index.ts'
import type { Dataset, Sample } from './dataset.ts'

export interface ReadOptions {
  /** Samples being read ahead of the consumer, 4 if not given. */
  readonly prefetch?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** How long what is still being read is waited for at the end: a source of the person's own may never give an answer. */
const LEAVE_MS = 250

/**
 * Reads the samples at `indices`, in that order, at most `prefetch` ahead of the consumer.
 * @throws CancelledError between two samples when `signal` is aborted; what `dataset.sample` throws
 */
export async function* readSamples(
  dataset: Dataset,
  indices: readonly number[],
  options: ReadOptions = {},
): AsyncGenerator<Sample, void, void> {
  const ahead = Math.max(1, options.prefetch ?? 4)
  const pending: Promise<Sample>[] = []
  let next = 0
  try {
    for (;;) {
      while (pending.length < ahead && next < indices.length) {
        const sample = dataset.sample(indices[next++]!, options.signal)
        // A failure is thrown when its turn comes; until then nobody listens to it.
        sample.catch(() => {})
        pending.push(sample)
      }
      const first = pending.shift()
      if (!first) return
      throwIfCancelled(options.signal)
      yield await first
    }
  } finally {
    if (pending.length > 0) await settledWithin(Promise.allSettled(pending), LEAVE_MS)
  }
}
