// What the written file really does: outputs against the original, accuracy, latency, and where along the layers noise comes in.
import { report, UnsupportedError, type Watch } from '../../base/index.ts'
import { type LayerSqnr, layerSqnrVisitor, walk } from '../../calibrate/index.ts'
import { type Batch, feedsOf, type Samples } from '../../data/index.ts'
import {
  Comparer,
  type Comparison,
  compareSessions,
  comparisonNotes,
  type Metric,
  textOutputOf,
} from '../../metrics/index.ts'
import {
  constantsOf,
  isExpensive,
  layersOf,
  type Model,
  nodeName,
  type ShapedModel,
  type Shapes,
} from '../../onnx/index.ts'
import type { QuantizedPair, ShapedPair } from '../../quantize/index.ts'
import { type Latency, measureLatency, type Runtime, type Values, withSession } from '../../runtime/index.ts'
import { readBatches, type Scoring } from '../samples.ts'
import { compareInTurn, latencyInTurn } from './in-turn.ts'
import type { NotedWatch } from './mode.ts'

export interface Measures {
  readonly comparison: Comparison
  readonly latency?: { readonly before: Latency; readonly after: Latency }
}

export interface MeasureOptions extends NotedWatch {
  readonly label: string
  readonly shapes: Shapes
  readonly metric?: Metric | undefined
  /** The runtime that is timed. */
  readonly clock?: Runtime | undefined
  /** The quantised model runs as it stands, without kernels of this runtime for its integers. */
  readonly simulate?: boolean
}

/** Compares the original with the quantised model on the scoring samples, and times both in turn. */
export async function measureQuantized(
  runtime: Runtime,
  { float: original, quantized }: QuantizedPair,
  scoring: Scoring,
  { label, shapes, metric, clock, simulate = false, notes, ...watch }: MeasureOptions,
): Promise<Measures> {
  const sample = await feedsOf(scoring.dataset, scoring.indices[0] ?? 0)
  const { length: total } = scoring.indices
  const text = textOutputOf(original)
  if (isExpensive(shapes)) {
    const both = [
      { model: original, label },
      { model: quantized, label: 'the quantised model', simulate },
    ] as const
    const batches = readBatches(scoring, { model: original, shapes }, watch)
    const comparison = await compareInTurn(runtime, both, batches, { ...watch, total, metric, text })
    notes.push(...comparisonNotes(comparison))
    return { comparison, ...(clock ? latencyOf(await latencyInTurn(clock, both, sample)) : {}) }
  }
  return withSession(runtime, original, { label }, (before) =>
    withSession(runtime, quantized, { label: 'the quantised model', simulate }, async (after) => {
      const batches = readBatches(scoring, { model: original, shapes }, watch)
      const comparison = await compareSessions(before, after, batches, { ...watch, total, metric, text })
      notes.push(...comparisonNotes(comparison))
      if (!clock) return { comparison }
      report(watch, { step: 'latency', done: 0, total: 1 })
      const latency =
        clock === runtime
          ? await measureLatency(runtime, [before, after], sample)
          : await latencyElsewhere(clock, [original, quantized], sample)
      return { comparison, ...latencyOf(latency) }
    }),
  )
}

/** In another runtime than the one that computes. */
async function latencyElsewhere(clock: Runtime, [before, after]: readonly [Model, Model], sample: Values) {
  return withSession(clock, before, { label: 'the model' }, (a) =>
    withSession(clock, after, { label: 'the quantised model' }, (b) => measureLatency(clock, [a, b], sample)),
  )
}

function latencyOf([before, after]: readonly Latency[]): Required<Pick<Measures, 'latency'>> {
  if (!before || !after) throw new UnsupportedError('latency could not be measured')
  return { latency: { before, after } }
}

/** Outputs of one batch, side by side: enough to know a dead model. The models are held one after the other. */
export async function glance(runtime: Runtime, original: Model, quantized: Model, batch: Batch): Promise<Comparison> {
  const run = (model: Model, label: string) =>
    withSession(runtime, model, { label }, (session) => session.run(batch.inputs))
  const comparer = new Comparer()
  comparer.add(await run(original, 'the original'), await run(quantized, 'the quantised model'), batch)
  return comparer.result()
}

/** Per-layer SQNR with everything quantised, on a few samples. */
export async function sqnrOfLayers(
  runtime: Runtime,
  { float, quantized, shapes }: ShapedPair,
  samples: readonly Values[],
  watch: Watch,
): Promise<readonly LayerSqnr[]> {
  const made = new Set(quantized.graph.nodes.flatMap((node) => node.outputs))
  const constants = constantsOf(float.graph)
  const stops = layersOf(float)
    .filter(({ node }) => !constants(node.outputs[0]) && made.has(node.outputs[0] ?? ''))
    .map(({ node }) => ({ name: nodeName(node), value: node.outputs[0] ?? '' }))
  const visitor = layerSqnrVisitor()
  const walked = { stops, batches: samples, visitor, shapes, step: 'layers', transient: true }
  await walk(runtime, float, quantized, { ...watch, ...walked })
  return visitor.results
}

/** Reads a few samples of a data set, joined where their shapes allow and the model takes batches. */
export async function fewSamples(chosen: Samples, model: ShapedModel, watch: Watch): Promise<Values[]> {
  const samples: Values[] = []
  for await (const batch of readBatches(chosen, model, watch)) samples.push(batch.inputs)
  return samples
}
