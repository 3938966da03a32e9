// Fine-tuning as one call: train a trainable model on samples, score it on held-back ones, give the best model back.
import type { Watch } from '../base/index.ts'
import type { Dataset, Samples } from '../data/index.ts'
import type { Model } from '../onnx/index.ts'
import type { Runtime } from '../runtime/index.ts'
import type { Augmentation } from './loop/augment.ts'
import type { TrainResult } from './loop/options.ts'
import { reestimateStatistics } from './loop/re-estimate.ts'
import { SampleStore } from './loop/sample-store.ts'
import type { Arrays, TrainState } from './loop/state.ts'
import { train } from './loop/train.ts'
import { adam, type Optimizer } from './optimizers/optimizer.ts'
import { cosine, type Schedule } from './optimizers/schedule.ts'
import { type Closeness, chanceDb, closeness, isAsNear, scorer } from './score.ts'
import type { TrainableModel } from './trainable-model.ts'

export interface TuneData {
  readonly dataset: Dataset
  /** Samples to train on. */
  readonly indices: readonly number[]
  /** Held-back samples that decide which epoch was the best. */
  readonly validation?: Samples | undefined
  /**
   * Held-back samples for the last word alone, where there are too few to tell epochs apart: the trained model is kept when it
   * is closer to the teacher on them than the model as it came, by more than chance.
   */
  readonly guard?: Samples | undefined
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
  /** Where the distance to the teacher decided: how many samples judged, and how near the model was before and after. */
  readonly judged?: { readonly samples: number; readonly before: Closeness; readonly after: Closeness }
  /** False: the training made nothing better, and the model is the one that came. */
  readonly kept: boolean
}

/** Trains and returns the model of the best epoch; the model as it came when no epoch was better. */
export async function finetune(
  runtime: Runtime,
  trainable: TrainableModel,
  data: TuneData,
  options: TuneOptions,
): Promise<Tuned> {
  const { graph, initial, exported } = trainable
  const score = data.validation ? await scorer(runtime, trainable, data.validation, options) : undefined
  const scoreOf = score && ((values: Arrays) => score.of(exported(values)))
  const before = await scoreOf?.(initial)
  const logits = trainable.prepared.shapes.get(graph.logits)?.dims ?? []
  // Samples of a single epoch are shown once: they need not be kept.
  const again = options.epochs > 1
  const store = new SampleStore(data.dataset, data.indices, again, options.signal)
  const result = await train(runtime, trainable, store, {
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
    score: scoreOf,
    tolerance: score?.tolerance,
    checkpoint: options.checkpoint,
    resume: options.resume,
    afterStep: trainable.afterStep,
    ...(trainable.rateOf ? { rateOf: trainable.rateOf } : {}),
    signal: options.signal,
    progress: options.progress,
  })
  const pool = (options.poolStatistics ?? true) && graph.batchNorms.length > 0
  const pooled = pool
    ? await reestimateStatistics(runtime, { graph, values: result.values }, store, options.seed)
    : result.values
  const model = exported(scoreOf && pool ? await betterOf(pooled, result.values, scoreOf) : pooled)
  const gain = before === undefined || !result.best ? 0 : result.best.score - before
  const byChance = Math.abs(gain) <= (score?.tolerance(before ?? 0) ?? 0)
  // A training that made it worse must not be handed on. Where chance could explain a loss, the teacher decides.
  const judges = data.guard ?? (gain <= 0 && byChance ? data.validation : undefined)
  const judged =
    judges && options.teacher
      ? await judge(
          trainable,
          model,
          judges,
          closeness(runtime, trainable, judges, { teacher: options.teacher, signal: options.signal }),
        )
      : undefined
  // The few samples of a guard are nearer to one model than to another by chance.
  const least = data.guard ? chanceDb(data.guard.indices.length) : 0
  const kept = judged ? isAsNear(judged.after, judged.before, judges?.dataset.hasLabels ?? false, least) : gain >= 0
  return {
    model: kept ? model : exported(initial),
    result,
    kept,
    ...(score ? { scoreName: score.name } : {}),
    ...(before === undefined ? {} : { before }),
    ...(judged ? { judged } : {}),
  }
}

/** How near to the teacher the model as it came and the trained one are. */
async function judge(
  { initial, exported }: TrainableModel,
  trained: Model,
  { indices }: Samples,
  near: (model: Model) => Promise<Closeness>,
): Promise<NonNullable<Tuned['judged']>> {
  return { samples: indices.length, before: await near(exported(initial)), after: await near(trained) }
}

/** Values with pooled statistics, where the held-back samples do not speak against them. */
async function betterOf(
  pooled: Arrays,
  followed: Arrays,
  scoreOf: (values: Arrays) => Promise<number>,
): Promise<Arrays> {
  return (await scoreOf(pooled)) >= (await scoreOf(followed)) ? pooled : followed
}
