// Fine-tuning as one call: train a trainee on samples, score it on held-back ones, give the best model back.
import { UnsupportedError, type Watch } from '../base/index.ts'
import { batches, type Dataset, readSamples } from '../data/index.ts'
import { compareSessions, scoreSession, usualMetric } from '../metrics/index.ts'
import type { Model } from '../onnx/index.ts'
import { type Runtime, withSession } from '../runtime/index.ts'
import type { Augmentation } from './loop/augment.ts'
import { reestimateStatistics } from './loop/re-estimate.ts'
import { SampleStore } from './loop/sample-store.ts'
import type { Arrays, TrainState } from './loop/state.ts'
import { type TrainResult, train } from './loop/train.ts'
import { adam, type Optimizer } from './optimizers/optimizer.ts'
import { cosine, type Schedule } from './optimizers/schedule.ts'
import type { Trainee } from './trainee.ts'

export interface TuneData {
  readonly dataset: Dataset
  /** Samples to train on. */
  readonly indices: readonly number[]
  /** Held-back samples that decide which epoch was the best. */
  readonly held?: { readonly dataset: Dataset; readonly indices: readonly number[] } | undefined
}

export interface TuneOptions extends Watch {
  readonly epochs: number
  /** Samples a step. */
  readonly batch: number
  readonly rate: number
  readonly optimizer?: Optimizer
  readonly schedule?: Schedule
  readonly decay?: number
  readonly clipNorm?: number | undefined
  readonly seed: number
  readonly augmentation?: Augmentation | undefined
  readonly patience?: number | undefined
  readonly teacher?: Model | undefined
  /** Pool the statistics of trained normalisations over many batches at the end; default true. */
  readonly poolStatistics?: boolean
  readonly checkpoint?: ((state: TrainState) => Promise<void>) | undefined
  readonly resume?: TrainState | undefined
}

export interface Tuned {
  readonly model: Model
  readonly result: TrainResult
  /** What `score` is: "top1", or "SQNR" in dB against the teacher. */
  readonly scoreName?: string
  /** Score of the model as it came. */
  readonly before?: number
}

/** Trains and returns the model of the best epoch; the model as it came when no epoch was better. */
export async function finetune(
  runtime: Runtime,
  trainee: Trainee,
  data: TuneData,
  options: TuneOptions,
): Promise<Tuned> {
  const { graph, initial, exported } = trainee
  const score = data.held ? await scorer(runtime, trainee, data.held, options) : undefined
  const before = await score?.of(exported(initial))
  const logits = trainee.prepared.shapes.get(graph.logits)?.dims ?? []
  // Samples of a single epoch are shown once: they need not be kept.
  const again = options.epochs > 1
  const store = new SampleStore(data.dataset, data.indices, again)
  const result = await train(runtime, graph, initial, store, {
    epochs: options.epochs,
    batch: options.batch,
    rate: options.rate,
    optimizer: options.optimizer ?? adam(),
    schedule: options.schedule ?? cosine(),
    decay: options.decay ?? 0,
    clipNorm: options.clipNorm,
    seed: options.seed,
    augmentation: options.augmentation,
    patience: options.patience,
    teacher: options.teacher,
    classes: (logits.length > 2 && logits.slice(2).every((dim) => dim === 1) ? logits[1] : logits.at(-1)) ?? 1,
    score: score && ((values: Arrays) => score.of(exported(values))),
    checkpoint: options.checkpoint,
    resume: options.resume,
    afterStep: trainee.afterStep,
    ...(trainee.rateOf ? { rateOf: trainee.rateOf } : {}),
    signal: options.signal,
    progress: options.progress,
  })
  const pooled = options.poolStatistics ?? true
  const values = pooled
    ? await withPooledStatistics(runtime, graph, store, result.values, options.seed, score, exported)
    : result.values
  // A training that made it worse must not be handed on.
  const worse = before !== undefined && result.best !== undefined && !(result.best.score >= before)
  return {
    model: exported(worse ? initial : values),
    result,
    ...(score ? { scoreName: score.name } : {}),
    ...(before === undefined ? {} : { before }),
  }
}

/** Statistics of trained normalisations pooled over many batches, where the held-back samples do not speak against them. */
async function withPooledStatistics(
  runtime: Runtime,
  graph: Trainee['graph'],
  store: SampleStore,
  values: Arrays,
  seed: number,
  score: { readonly of: (model: Model) => Promise<number> } | undefined,
  exported: (values: Arrays) => Model,
): Promise<Arrays> {
  if (graph.batchNorms.length === 0) return values
  const pooled = await reestimateStatistics(runtime, graph, values, store, seed)
  if (!score) return pooled
  return (await score.of(exported(pooled))) >= (await score.of(exported(values))) ? pooled : values
}

/** Samples scored in one run. */
const SCORED_BATCH = 32

async function scorer(
  runtime: Runtime,
  trainee: Trainee,
  held: { readonly dataset: Dataset; readonly indices: readonly number[] },
  { teacher, signal }: TuneOptions,
): Promise<{ name: string; of: (model: Model) => Promise<number> }> {
  const { prepared } = trainee
  const free = typeof prepared.model.graph.inputs[0]?.shape?.[0] !== 'number'
  const read = () => batches(readSamples(held.dataset, held.indices, { signal }), free ? SCORED_BATCH : prepared.batch)
  const label = 'the trained model'
  if (held.dataset.hasLabels) {
    const { label: first } = await held.dataset.sample(held.indices[0] ?? 0, signal)
    const metric = usualMetric(first === undefined ? [] : [first])
    return {
      name: metric.name,
      of: (model) =>
        withSession(runtime, model, { label }, async (session) => {
          const { value } = await scoreSession(session, read(), held.indices.length, { signal }, metric)
          return value
        }),
    }
  }
  if (!teacher) throw new UnsupportedError('without labels a teacher is needed to score the trained model')
  return {
    name: 'SQNR',
    of: (model) =>
      withSession(runtime, teacher, { label: 'the teacher' }, (before) =>
        withSession(runtime, model, { label }, async (after) => {
          const { sqnrDb } = await compareSessions(before, after, read(), held.indices.length, { signal })
          const [db] = Object.values(sqnrDb)
          return db === null ? Number.POSITIVE_INFINITY : (db ?? Number.NaN)
        }),
      ),
  }
}
