// An analysis as JSON.
import { columnsJson, jsonDb } from '../verdict.ts'
import type { AnalyzedLayer, AnalyzeRun } from './run.ts'

/** What `analyze --json` prints. Noise is a share of the signal at the outputs. */
export function analyzeJson(run: AnalyzeRun): Record<string, unknown> {
  const { layers, noise, predicted, samples, latencyMs, notes, seconds } = run
  return {
    layers: layers.map(layerJson),
    noise: { all: noise, predicted },
    samples,
    ...(latencyMs ? { latencyMs } : {}),
    notes,
    seconds,
  }
}

function layerJson({ sqnrDb, columns, ...layer }: AnalyzedLayer): Record<string, unknown> {
  return {
    ...layer,
    ...(sqnrDb ? { sqnrDb: Object.fromEntries(Object.entries(sqnrDb).map(([name, db]) => [name, jsonDb(db)])) } : {}),
    ...(columns ? columnsJson({ columns }) : {}),
  }
}
