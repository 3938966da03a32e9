// The judge of a search: a quantised model against the float one on samples that nothing was fitted to.
import { sizeOf, throwIfCancelled, type Watch } from '../../base/index.ts'
import { Comparer, type Comparison, meanSqnrDb } from '../../metrics/index.ts'
import type { Model, Shapes } from '../../onnx/index.ts'
import { distance } from '../../rewrite/index.ts'
import { type Runtime, type Session, type SessionOptions, type Values, withSession } from '../../runtime/index.ts'
import type { SplitBatch } from './calibration-samples.ts'

/** A model's figures on the held-back samples. */
export interface Score {
  readonly comparison: Comparison
  /** SQNR over all outputs and their column groups in dB: what a search maximises. */
  readonly db: number
}

/** A gain below this is noise. */
export const LEAST_GAIN_DB = 0.1

/** Noise in the outputs as a share of their signal. */
export const noiseIn = (comparison: Comparison): number => 10 ** (-(meanSqnrDb(comparison) ?? 0) / 10)

export class Judge {
  readonly #runtime: Runtime
  readonly #validation: readonly SplitBatch[]
  readonly #float: readonly Values[]
  readonly #written: (model: Model) => Model

  private constructor(
    runtime: Runtime,
    validation: readonly SplitBatch[],
    float: readonly Values[],
    written: (model: Model) => Model,
  ) {
    this.#runtime = runtime
    this.#validation = validation
    this.#float = float
    this.#written = written
  }

  /**
   * On those samples of a split that are held back.
   * @param written what becomes of a quantised model in its file; absent: nothing
   */
  static of(
    runtime: Runtime,
    float: Model,
    split: readonly SplitBatch[],
    written?: (model: Model) => Model,
  ): Promise<Judge> {
    const validation = split.filter((each) => each.validation)
    // A single sample judges what was fitted to it: better than nothing, and the report says how few there were.
    return Judge.on(runtime, float, validation.length > 0 ? validation : split, written)
  }

  /** On these samples, whoever they are; runs the float model once. */
  static async on(
    runtime: Runtime,
    float: Model,
    batches: readonly SplitBatch[],
    written: (model: Model) => Model = (model) => model,
  ): Promise<Judge> {
    const outputs = await withSession(runtime, float, { label: 'the float model' }, async (session) => {
      const list: Values[] = []
      for (const { batch } of batches) list.push(await session.run(batch.inputs))
      return list
    })
    return new Judge(runtime, batches, outputs, written)
  }

  get samples(): number {
    return this.#validation.reduce((sum, { batch }) => sum + batch.size, 0)
  }

  /** Values of the float outputs that it compares. */
  get values(): number {
    return this.#float.reduce(
      (sum, outputs) => sum + Object.values(outputs).reduce((all, { data }) => all + data.length, 0),
      0,
    )
  }

  /** Lowest SQNR in dB of another float model on a batch of held-back samples; Infinity where nothing differs. */
  async lowestDb(model: Model, watch: Watch = {}): Promise<number> {
    return withSession(this.#runtime, model, { label: 'the rewritten model' }, async (session) => {
      let lowest = Number.POSITIVE_INFINITY
      for (const [index, { batch }] of this.#validation.entries()) {
        throwIfCancelled(watch.signal)
        const { db, same } = distance(this.#float[index] ?? {}, await session.run(batch.inputs))
        if (!same && db !== null && !(db >= lowest)) lowest = db
      }
      return lowest
    })
  }

  async score(model: Model, watch: Watch = {}): Promise<Score> {
    const comparison = await this.#compare(this.#written(model), { label: 'the quantised model' }, watch)
    return { comparison, db: meanSqnrDb(comparison) ?? Number.NEGATIVE_INFINITY }
  }

  /** Noise of a partly quantised model as a share of the signal; it runs as its simulation, which loads whatever is left out. */
  async noiseOf(model: Model, watch: Watch = {}): Promise<number> {
    const options = { simulate: true, label: 'a part of the quantised model' }
    return noiseIn(await this.#compare(model, options, watch))
  }

  /** What a model that is open already gives, with feeds beside those of the samples. */
  async comparisonOn(session: Session, feeds: Values, watch: Watch = {}): Promise<Comparison> {
    const comparer = new Comparer()
    for (const [index, { batch }] of this.#validation.entries()) {
      throwIfCancelled(watch.signal)
      comparer.add(this.#float[index] ?? {}, await session.run({ ...batch.inputs, ...feeds }), batch)
    }
    return comparer.result()
  }

  async #compare(model: Model, options: SessionOptions, watch: Watch): Promise<Comparison> {
    return withSession(this.#runtime, model, options, (session) => this.comparisonOn(session, {}, watch))
  }
}

/** From this many samples on a worse KL counts as it is; of fewer, one or two decide it, and only a collapse counts. */
const ENOUGH_FOR_KL = 64

/**
 * Is a model better than another on the held-back samples? SQNR up by a tenth of a dB and KL not worse, or so much SQNR that
 * the KL of a few samples is noise. NaN never wins.
 * @param least SQNR in dB that must be gained
 */
export function isBetter(candidate: Score, than: Score, least: number = LEAST_GAIN_DB): boolean {
  const gain = candidate.db - than.db
  if (!(gain >= least)) return false
  const { kl: now, samples } = candidate.comparison
  const before = than.comparison.kl
  const worse = samples >= ENOUGH_FOR_KL ? 1.02 : 2
  return gain >= 1 || now === undefined || before === undefined || now <= before * worse + 1e-6
}

/** Values a sample of a tensor in which one that is clipped weighs as much as the rounding of all. */
const LARGE = 8192

/**
 * What equalisation must gain, in dB. Its tensors are full, and a sample that is new is clipped where the judge's were not: that
 * can cost small tensors more than rounding does, and large ones little.
 */
export function leastOfEqualization(scaled: Iterable<string>, shapes: Shapes): number {
  let size = 0
  for (const value of scaled) size = Math.max(size, sizeOf((shapes.get(value)?.dims ?? []).slice(1)))
  return 0.5 + 1.5 / (1 + size / LARGE)
}
