// A comparison of two files as `--json` prints it.

import type { CompareRun } from './compare-run.ts'
import { similarityJson } from './similarity.ts'
import { columnsJson, jsonDb, metricJson } from './verdict.ts'

/** What was measured: figures that were not are absent. */
export function compareJson(run: CompareRun): Record<string, unknown> {
  const { comparison, latency, sizeBytes, layers, notes } = run
  const { agreement, kl, sqnrDb, metric, samples } = comparison
  const exact = Object.values(sqnrDb).every((db) => db === null)
  return {
    ...(agreement === undefined ? {} : { agreement, kl }),
    ...similarityJson(comparison),
    sqnrDb: Object.fromEntries(Object.entries(sqnrDb).map(([name, value]) => [name, jsonDb(value)])),
    ...(exact ? { exact } : {}),
    ...columnsJson(comparison),
    ...(metric ? { metric: metricJson(metric) } : {}),
    samples,
    latencyMs: { before: latency.before.medianMs, after: latency.after.medianMs },
    sizeBytes,
    layers: layers.map((layer) => ({ name: layer.name, sqnrDb: jsonDb(layer.sqnrDb) })),
    notes,
  }
}
