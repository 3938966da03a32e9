// One point of the trade: a plan made into a model, measured on the file that is written.
import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { report, sizeOf, type Watch } from '../../base/index.ts'
import {
  type CompressibleLayer,
  cutAndRefit,
  type FitProducts,
  type FittedLayer,
  type LayerChoice,
  type PruningProblem,
  refitModel,
  splitPlainly,
} from '../../compress/index.ts'
import { type Comparison, compareSessions, type Metric } from '../../metrics/index.ts'
import { writeFileAtomic } from '../../onnx/index.node.ts'
import {
  byteLengthOf,
  GraphEditor,
  layersOf,
  type Model,
  macsOf,
  peakBytes,
  readModel,
  type Shapes,
  writeModel,
} from '../../onnx/index.ts'
import { withSpillFolder } from '../../runtime/index.node.ts'
import {
  type Latency,
  measureModels,
  observeShapes,
  type Runtime,
  type Values,
  withSession,
} from '../../runtime/index.ts'
import type { EvaluationCache } from '../../search/index.ts'
import { PREPROCESS_KEY, readBatches, type Scoring } from '../samples.ts'
import type { WorkingForm } from '../working-form.ts'
import { POSITIONS } from './curves.ts'
import { changesNothing, type Plan } from './plan.ts'

/** What all points of a run share. */
export interface PointContext extends Watch {
  readonly runtime: Runtime
  readonly products: FitProducts
  /** As it was read, and as rewritten. */
  readonly original: Model
  /** What the file of the result must be like. */
  readonly form: WorkingForm
  readonly model: Model
  readonly shapes: Shapes
  /** As rewritten, before dead channels were taken out: what shares are of. */
  readonly whole: { readonly model: Model; readonly shapes: Shapes }
  /** Layers that may change. */
  readonly layers: readonly CompressibleLayer[]
  readonly samples: readonly Values[]
  readonly sample: Values
  readonly scoring: Scoring
  readonly metric?: Metric
  readonly plain: boolean
  readonly seed: number
  readonly preprocess: string | undefined
  readonly cache: EvaluationCache
  /** Folder of the cache; absent: nothing is kept. */
  readonly folder?: string
  readonly key: string
}

/** A compressed model in memory. */
export interface Compressed {
  readonly bytes: Uint8Array
  readonly model: Model
  readonly layers: readonly FittedLayer[]
}

/** What was measured of it against the original. */
export interface PointMeasures {
  readonly comparison: Comparison
  readonly latency: { readonly before: Latency; readonly after: Latency }
  readonly macs: { readonly before: number; readonly after: number }
  readonly parameters: { readonly before: number; readonly after: number }
  /** Bytes of the values between the nodes at the worst moment, for one sample. */
  readonly activationBytes: { readonly before: number; readonly after: number }
}

/** Compresses by a plan; a finished model of an earlier, killed run is taken from the cache. */
export async function compressBy(context: PointContext, whole: Plan): Promise<Compressed> {
  const { cache, folder } = context
  const { choices: plan, removed, problem } = whole
  const key = [
    context.key,
    'point',
    context.plain,
    context.seed,
    JSON.stringify([...plan]),
    JSON.stringify([...(removed ?? [])]),
  ].join('|')
  const file =
    folder === undefined
      ? undefined
      : join(folder, `${createHash('sha256').update(key).digest('hex').slice(0, 24)}.onnx`)
  const known = cache.get(key)
  if (file && Array.isArray(known)) {
    const bytes = await readFile(file).catch(() => undefined)
    if (bytes) return { bytes, model: readModel(bytes, { file }), layers: known as FittedLayer[] }
  }
  const { model, layers } = changesNothing(whole)
    ? { model: context.model, layers: context.layers.map(({ name }) => ({ name, error: 0 })) }
    : problem && removed
      ? await pruned(context, plan, problem, removed)
      : context.plain
        ? await plainly(context, plan)
        : await fitted(context, plan)
  if (context.preprocess) model.metadata.set(PREPROCESS_KEY, context.preprocess)
  const written = context.form.stored(model)
  const bytes = writeModel(written)
  if (file && folder !== undefined) {
    await mkdir(folder, { recursive: true })
    await writeFileAtomic(file, bytes)
    cache.put(key, layers)
  }
  return { bytes, model, layers }
}

function fitted(context: PointContext, plan: ReadonlyMap<string, LayerChoice>) {
  const { runtime, products, model, layers, samples, shapes, seed, progress, signal } = context
  return withSpillFolder((spill) =>
    refitModel(runtime, products, model, layers, plan, samples, {
      shapes,
      seed,
      spill,
      perSample: POSITIONS,
      progress,
      signal,
    }),
  )
}

/** Channels taken out, then every layer fitted to what is left, or split. */
async function pruned(
  context: PointContext,
  choices: ReadonlyMap<string, LayerChoice>,
  problem: PruningProblem,
  removed: ReadonlySet<number>,
) {
  const { runtime, products, samples, sample, seed, progress, signal } = context
  const free = new Set(context.layers.map((layer) => layer.name))
  const fitTo = context.plain ? [] : samples
  return withSpillFolder((spill) =>
    cutAndRefit(runtime, products, problem, removed, fitTo, sample, {
      seed,
      spill,
      choices,
      perSample: POSITIONS,
      fit: (name) => free.has(name),
      progress,
      signal,
    }),
  )
}

async function plainly({ products, model, layers }: PointContext, plan: ReadonlyMap<string, LayerChoice>) {
  const editor = new GraphEditor(model)
  const results: FittedLayer[] = []
  for (const layer of layers) {
    const choice = plan.get(layer.name)
    results.push(choice ? await splitPlainly(products, editor, layer, choice) : { name: layer.name, error: 0 })
  }
  return { model: editor.finish(), layers: results }
}

/** Compares with the original on the scoring samples, times both in turn, counts what is left. */
export async function measurePoint(context: PointContext, { bytes, model }: Compressed): Promise<PointMeasures> {
  const { runtime, original, scoring, shapes, sample, metric, progress, signal } = context
  const watch = { progress, signal }
  const before = {
    macs: countMacs(context.whole.model, context.whole.shapes),
    parameters: countParameters(original),
    activationBytes: activationBytesOf(context.model, shapes),
  }
  const seen = await observeShapes(runtime, model, sample, 'the compressed model')
  const after = {
    macs: countMacs(model, seen),
    parameters: countParameters(model),
    activationBytes: activationBytesOf(model, seen),
  }
  const comparison = await withSession(runtime, original, { label: 'the model' }, (first) =>
    withSession(runtime, bytes, { label: 'the compressed model' }, (second) => {
      const batches = readBatches(scoring.dataset, scoring.indices, original, shapes, watch)
      return compareSessions(first, second, batches, scoring.indices.length, watch, 'compare', metric)
    }),
  )
  report(watch, 'latency', 0, 1)
  return {
    comparison,
    latency: await measureModels(runtime, original, bytes, sample),
    macs: { before: before.macs, after: after.macs },
    parameters: { before: before.parameters, after: after.parameters },
    activationBytes: { before: before.activationBytes, after: after.activationBytes },
  }
}

/** Multiply-accumulates of all layers for one sample. */
export function countMacs(model: Model, shapes: Shapes): number {
  return layersOf(model).reduce((sum, layer) => sum + (macsOf(layer, shapes) ?? 0), 0)
}

function activationBytesOf(model: Model, shapes: Shapes): number {
  return peakBytes(model.graph, (value) => {
    const { dims, dtype } = shapes.get(value) ?? {}
    return (dims && dtype && byteLengthOf(dtype, sizeOf(dims))) || 0
  })
}

function countParameters(model: Model): number {
  let count = 0
  for (const tensor of model.graph.initializers.values()) if (/^b?float/.test(tensor.dtype)) count += tensor.size
  return count
}

/** Below these, on samples that no fit has seen, a model is not handed out without --force. */
const LEAST_AGREEMENT = 0.75
const LEAST_SQNR_DB = 5

/** Why a result is too far from the original to be handed out, or undefined. */
export function tooFar({ agreement, kl, sqnrDb }: Comparison): string | undefined {
  const db = Object.values(sqnrDb)[0]
  if (agreement !== undefined)
    return agreement >= LEAST_AGREEMENT
      ? undefined
      : `on held-back samples it agrees with the original on ${(100 * agreement).toFixed(0)} % (KL ${kl?.toFixed(2)} nats), at least ${100 * LEAST_AGREEMENT} % are needed`
  return typeof db !== 'number' || db >= LEAST_SQNR_DB
    ? undefined
    : `its first output has an SQNR of ${db.toFixed(1)} dB on held-back samples, at least ${LEAST_SQNR_DB} dB are needed`
}
