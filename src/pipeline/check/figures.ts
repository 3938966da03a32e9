// What a check measured, a row each: both models and what lies between them.

import {
  formatBytes,
  formatDb,
  formatMetricValue,
  formatMs,
  formatNumber,
  formatPercent,
  formatSigned,
} from '../../report/index.ts'
import type { CompareRun } from '../compare-run.ts'
import { similarityWords } from '../similarity.ts'
import { outputRows } from '../verdict.ts'

/** A row of the table. */
export interface FigureRow {
  readonly name: string
  readonly before: string
  readonly after: string
  readonly change: string
}

/** Size, metric, agreement, embeddings, SQNR of the outputs, latency: those that were measured. */
export function figureRows({ comparison, sizeBytes, latency }: CompareRun): FigureRow[] {
  const { metric, agreement, kl, similarity } = comparison
  const alone = (name: string, change: string): FigureRow => ({ name, before: '', after: '', change })
  const spread = ({ lowMs, highMs }: CompareRun['latency']['before']) => (highMs - lowMs) / 2
  return [
    {
      name: 'size',
      before: formatBytes(sizeBytes.before),
      after: formatBytes(sizeBytes.after),
      change: formatPercent(sizeBytes.after / sizeBytes.before),
    },
    ...(metric
      ? [
          {
            name: metric.name,
            before: formatMetricValue(metric, metric.before),
            after: formatMetricValue(metric, metric.after),
            change: `${formatSigned(metric.difference, metric.unit)} ${metric.unit ?? 'points'}`.trim(),
          },
        ]
      : []),
    ...(agreement === undefined ? [] : [alone('agreement', formatPercent(agreement))]),
    ...(kl === undefined ? [] : [alone('KL', formatNumber(kl))]),
    ...(similarity ? [alone('embeddings', similarityWords(similarity))] : []),
    ...Object.entries(outputRows(comparison)).map(([name, db]) => alone(`SQNR of ${name}`, formatDb(db))),
    {
      name: 'latency',
      before: formatMs(latency.before.medianMs, spread(latency.before)),
      after: formatMs(latency.after.medianMs, spread(latency.after)),
      change: `${(latency.after.medianMs / latency.before.medianMs).toFixed(2)}×`,
    },
  ]
}
