// How good a model that is trained has become on samples that it is not trained on.
import { UnsupportedError, type Watch } from '../base/index.ts'
import { type Batch, batches, readSamples, type Samples } from '../data/index.ts'
import { type Comparison, compareSessions, meanSqnrDb, scoreSession, usualMetric } from '../metrics/index.ts'
import type { Model } from '../onnx/index.ts'
import type { QuantizedPair } from '../quantize/index.ts'
import { type Runtime, withSession } from '../runtime/index.ts'
import type { TrainableModel } from './trainable-model.ts'

export interface Scorer {
  readonly name: string
  /** Higher is better. */
  readonly of: (model: Model) => Promise<number>
  /** The standard error of a score: of a share of samples √(p(1 − p)/n), of other scores 0. */
  readonly tolerance: (score: number) => number
}

interface TaughtOptions extends Watch {
  readonly teacher: Model
}
type ScoreOptions = Watch & { readonly teacher?: Model | undefined }

/** Samples scored in one run, at most. */
const SCORED_BATCH = 32

/**
 * The metric that suits the labels; without labels the mean SQNR of the outputs against the teacher, in dB.
 * @throws UnsupportedError without labels and without a teacher
 */
export async function scorer(
  runtime: Runtime,
  trainable: TrainableModel,
  validation: Samples,
  { teacher, signal }: ScoreOptions,
): Promise<Scorer> {
  const { dataset, indices } = validation
  if (dataset.hasLabels) {
    const { label: first } = await dataset.sample(indices[0] ?? 0, signal)
    const metric = usualMetric(first === undefined ? [] : [first])
    return {
      name: metric.name,
      tolerance: (score) => Math.sqrt(Math.max(0, score * (1 - score)) / indices.length),
      of: (model) =>
        withSession(runtime, model, { label: 'the trained model' }, async (session) => {
          const asked = { metric, total: indices.length, signal }
          const { value } = await scoreSession(session, read(trainable, validation, signal), asked)
          return value
        }),
    }
  }
  if (!teacher) throw new UnsupportedError('without labels a teacher is needed to score the trained model')
  const compared = comparison(runtime, trainable, validation, { teacher, signal })
  return { name: 'SQNR', tolerance: () => 0, of: async (model) => sqnrOf(await compared(model)) }
}

/** How near a model's outputs are to the teacher's. */
export interface Closeness {
  /** Divergence of a classifier's answers. */
  readonly kl?: number
  /** Mean SQNR of the outputs, in dB. */
  readonly db: number
}

/** Answers so sure that their divergence says nothing: below this, nats. */
const SURE = 1e-6
/** Without labels nothing but the teacher says what is right: this much SQNR must not be lost for a smaller divergence. */
const MOST_LOST_DB = 3

/**
 * Is one model at least as near to the teacher as another? By the divergence of a classifier's answers where it says something,
 * else by SQNR, which must be this much higher. NaN is never near.
 */
export function isAsNear(model: Closeness, than: Closeness, labelled: boolean, leastGainDb = 0): boolean {
  if (Number.isNaN(model.db)) return Number.isNaN(than.db)
  const [kl, before] = [model.kl, than.kl]
  if (kl === undefined || before === undefined || Math.max(kl, before) < SURE)
    return !(model.db < than.db + leastGainDb)
  return kl <= before && (labelled || !(model.db < than.db - MOST_LOST_DB))
}

/** Twice the standard error of an SQNR over so many samples whose noise varies as much as it is large, in dB. */
export function chanceDb(samples: number): number {
  return (2 * 10) / Math.LN10 / Math.sqrt(samples)
}

/** How near a model comes to the teacher on some samples. */
export function closeness(
  runtime: Runtime,
  trainable: TrainableModel,
  samples: Samples,
  options: TaughtOptions,
): (model: Model) => Promise<Closeness> {
  const compared = comparison(runtime, trainable, samples, options)
  return async (model) => {
    const found = await compared(model)
    return { db: sqnrOf(found), ...(found.kl === undefined ? {} : { kl: found.kl }) }
  }
}

function read({ prepared }: TrainableModel, { dataset, indices }: Samples, signal: AbortSignal | undefined) {
  const { batch, model, sampleShapes } = prepared
  const mixed = model.graph.outputs.some(({ name }) => sampleShapes.get(name)?.mixed)
  // No more than a step takes: what can be trained in memory can be scored in it.
  return batches(readSamples(dataset, indices, { signal }), mixed ? 1 : Math.min(SCORED_BATCH, batch))
}

function comparison(
  runtime: Runtime,
  trainable: TrainableModel,
  samples: Samples,
  { teacher, signal }: TaughtOptions,
): (model: Model) => Promise<Comparison> {
  const { length } = samples.indices
  return (model) =>
    withSession(runtime, teacher, { label: 'the teacher' }, (before) =>
      withSession(runtime, model, { label: 'the trained model' }, (after) =>
        compareSessions(before, after, read(trainable, samples, signal), { total: length, signal }),
      ),
    )
}

/** Mean over the outputs; NaN when none is float. */
function sqnrOf(comparison: Comparison): number {
  return meanSqnrDb(comparison) ?? Number.NaN
}

/** Mean SQNR of a quantised model's float outputs against those of its float model, in dB. */
export function outputSqnr(
  runtime: Runtime,
  pair: QuantizedPair,
  { dataset, indices }: Samples,
  watch: Watch,
): Promise<number> {
  const read = batches(readSamples(dataset, indices, { signal: watch.signal }), 1)
  return batchSqnr(runtime, pair, { batches: read, total: indices.length }, watch)
}

/** The same on batches at hand. */
export function batchSqnr(
  runtime: Runtime,
  { float, quantized }: QuantizedPair,
  { batches: read, total }: { readonly batches: AsyncIterable<Batch>; readonly total: number },
  { signal }: Watch,
): Promise<number> {
  return withSession(runtime, float, { label: 'the float model' }, (before) =>
    withSession(runtime, quantized, { label: 'the quantised model' }, async (after) =>
      sqnrOf(await compareSessions(before, after, read, { total, signal })),
    ),
  )
}
