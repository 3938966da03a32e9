// From a finished analysis to the report's rows.
import { basename } from 'node:path'
import { type AnalyzedLayerRow, formatDb, type Report, type Verdict, type VerdictPoint } from '../report/index.ts'
import { describeEnvironment } from '../runtime/index.node.ts'
import type { Runtime } from '../runtime/index.ts'
import type { AnalyzedLayer, AnalyzeRun } from './analyze/run.ts'
import { commandLineOf } from './command-line.ts'
import { DEAD_SQNR_DB, GOOD_SQNR_DB } from './sqnr-limits.ts'
import { faster, outputRows } from './verdict.ts'

/** Layers that the advice names. */
const ADVISED = 3

/** The whole report of an analysis; the model is as it was. */
export function analyzeReport(run: AnalyzeRun, runtime: Runtime): Report {
  const { recipe, layers, noise, predicted, samples, latencyMs, seconds } = run
  const sqnrDb = dbOf(noise)
  return {
    version: 1,
    command: 'analyze',
    title: basename(recipe.model),
    createdAt: new Date().toISOString(),
    verdict: verdictOf(run),
    facts: [
      { label: 'model', value: basename(recipe.model) },
      { label: 'looked at', value: `${layers.length} layers, sums and inputs` },
      { label: 'samples', value: `${samples} that no range was taken from` },
      { label: 'time', value: `${seconds.toFixed(1)} s` },
    ],
    variants: [
      { name: 'float', ...(latencyMs ? { latencyMs: latencyMs.float } : {}) },
      { name: 'everything in integers', sqnrDb, ...(latencyMs ? { latencyMs: latencyMs.integer } : {}) },
    ],
    outputs: {},
    steps: [],
    layers: [],
    activations: [],
    analysis: { noise, predicted, samples, layers: layers.map(rowOf) },
    notes: run.notes,
    environment: describeEnvironment(runtime),
    recipe,
    commandLine: commandLineOf(recipe),
  }
}

function rowOf({ name, op, noise, sqnrDb, columns, ...layer }: AnalyzedLayer): AnalyzedLayerRow {
  const { blame, spared, cause, detail, remedy, bytes, ms, damaged } = layer
  return {
    ...{ name, op, noise, blame, cause, detail, remedy, bytes, ms },
    ...(spared === undefined ? {} : { spared }),
    ...(damaged ? { damaged } : {}),
    ...(sqnrDb ? { outputs: outputRows({ sqnrDb, ...(columns ? { columns } : {}) }) } : {}),
  }
}

function verdictOf({ layers, noise, latencyMs }: AnalyzeRun): Verdict {
  const db = dbOf(noise)
  const [worst] = layers
  const answer = db === null || db >= GOOD_SQNR_DB ? 'yes' : db >= DEAD_SQNR_DB ? 'unclear' : 'no'
  const accurate: VerdictPoint = {
    question: 'as accurate',
    answer,
    text: `${formatDb(db)} with everything in integers, without any technique`,
  }
  const speed = latencyMs && {
    latency: { before: { medianMs: latencyMs.float }, after: { medianMs: latencyMs.integer } },
  }
  return {
    headline: `everything in integers: ${formatDb(db)}${worst ? `; most to blame: ${worst.name} (${worst.cause})` : ''}`,
    tone: answer === 'yes' ? 'good' : answer === 'no' ? 'bad' : 'mixed',
    points: [...(speed ? [faster(speed)] : []), accurate],
    advice: layers.slice(0, ADVISED).map(({ name, cause, remedy }) => `${name}, ${cause}: ${remedy}`),
  }
}

/** Noise as SQNR; null where there is none, NaN where the outputs are not numbers. */
function dbOf(noise: number): number | null {
  return noise === 0 ? null : -10 * Math.log10(noise)
}
