// What a compression of a file prints as JSON.
import { splitNamed } from '../compress/index.ts'
import { ratioOf } from './compress/layer-ratio.ts'
import type { CompressPoint, CompressRun } from './compress.node.ts'
import { finetuneJson } from './finetune-report.node.ts'
import { quantizeJson } from './quantize-report.ts'
import { similarityJson } from './similarity.ts'
import { columnsJson, jsonDb, metricJson } from './verdict.ts'

/** What `compress --json` prints: one point, or `points` for several targets. */
export function compressJson(run: CompressRun): Record<string, unknown> {
  const points = run.points.map((point) => pointJson(run, point))
  const [only] = points
  if (only && points.length === 1 && run.refused.length === 0)
    return { ...only, samples: run.samples, notes: run.notes }
  return {
    points,
    refused: run.refused,
    evaluations: run.evaluations,
    seconds: run.seconds,
    samples: run.samples,
    notes: run.notes,
  }
}

function pointJson(run: CompressRun, point: CompressPoint): Record<string, unknown> {
  const { comparison, latency, macs: count, parameters } = point.measures
  const { metric, agreement, kl, sqnrDb } = comparison
  return {
    output: point.output,
    ...(point.target === undefined ? {} : { target: point.target }),
    macs: { ...count, ratio: count.after / count.before },
    parameters,
    sizeBytes: point.sizeBytes,
    activationBytes: point.measures.activationBytes,
    latencyMs: { before: latency.before.medianMs, after: latency.after.medianMs },
    latencySpreadMs: {
      before: latency.before.highMs - latency.before.lowMs,
      after: latency.after.highMs - latency.after.lowMs,
    },
    sqnrDb: Object.fromEntries(Object.entries(sqnrDb).map(([name, db]) => [name, jsonDb(db)])),
    ...(Object.values(sqnrDb).some((db) => db === null) ? { exact: true } : {}),
    ...columnsJson(comparison),
    ...similarityJson(comparison),
    ...(agreement === undefined ? {} : { agreement, kl }),
    ...(metric ? { metric: metricJson(metric) } : {}),
    evaluations: run.evaluations,
    seconds: run.seconds,
    layers: point.layers.map(({ name, choice, error, plain, channels, inputs }) => ({
      name,
      method: choice ? splitNamed(choice.split).method : channels || inputs ? 'prune' : 'keep',
      ratio: ratioOf(run.survey, { name, channels, inputs, choice }),
      ...(choice ? { split: choice.split, rank: choice.rank } : {}),
      error,
      ...(channels ? { channels: channels.after, channelsBefore: channels.before } : {}),
      ...(inputs ? { inputs: inputs.after, inputsBefore: inputs.before } : {}),
      ...(plain ? { plain } : {}),
      ...(point.layerLatency?.has(name) ? { latencyMs: point.layerLatency.get(name) } : {}),
    })),
    left: run.survey.left,
    ...(run.closed ? { closed: run.closed } : {}),
    ...(point.forced ? { forced: point.forced } : {}),
    ...(point.tuned ? { tuned: finetuneJson(point.tuned) } : {}),
    ...(point.quantized ? { quantized: quantizeJson(point.quantized) } : {}),
  }
}
