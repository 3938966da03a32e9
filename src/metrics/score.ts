// Scoring one model, and which metric a name or the labels stand for.
import { didYouMean, report, throwIfCancelled, UsageError, type Watch } from '../base/index.ts'
import type { Batch, Label } from '../data/index.ts'
import { withoutFloat16 } from '../math/index.ts'
import { metricNames } from '../recipe/index.ts'
import type { Session } from '../runtime/index.ts'
import { figureOf, type MetricValue } from './figures.ts'
import { type Metric, samplesOf } from './metric.ts'
import { nextToken } from './next-token.ts'
import { perplexity } from './perplexity.ts'
import { tokenErrorRate } from './token-error-rate.ts'
import { topK } from './top-k.ts'

/** The metric of a name: top1, top5 (any k), next-token, perplexity, token-error-rate. @throws UsageError when there is none */
export function metricNamed(name: string): Metric {
  const match = /^top([1-9]\d*)$/.exec(name)
  if (match) return topK(Number(match[1]))
  const found = [nextToken, perplexity, tokenErrorRate].find((metric) => metric.name === name)
  if (found) return found
  if (name === 'cosine' || name === 'retrieval')
    throw new UsageError(
      `${name} compares the embeddings of two models and needs no --metric: quantize, compress and compare tell it wherever a model gives embeddings`,
    )
  throw new UsageError(
    `there is no metric "${name}"${didYouMean(name, metricNames) || `; the metrics are ${metricNames.join(', ')}, or give a module (FILE.mjs) of your own`}`,
  )
}

/** What labels are scored by when nothing was asked for: lists of tokens by next-token, classes by top1. */
export function usualMetric(labels: readonly Label[]): Metric {
  return labels.some((label) => typeof label !== 'number') ? nextToken : topK(1)
}

export interface ScoreOptions extends Watch {
  readonly metric: Metric
  /** Samples that there are. */
  readonly total: number
}

/** Scores one session over the batches. */
export async function scoreSession(
  session: Session,
  batches: AsyncIterable<Batch>,
  { metric, total, ...watch }: ScoreOptions,
): Promise<MetricValue> {
  const scores: unknown[] = []
  let done = 0
  for await (const batch of batches) {
    throwIfCancelled(watch.signal)
    report(watch, { step: 'evaluate', done, total })
    const outputs = withoutFloat16(await session.run(batch.inputs))
    for (const sample of samplesOf(batch, outputs)) scores.push(metric.score(sample))
    done += batch.size
  }
  report(watch, { step: 'evaluate', done, total })
  return figureOf(metric, scores)
}
