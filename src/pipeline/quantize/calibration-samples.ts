// The samples of a quantisation: decoded once while they fit in memory, split into those that fit and those that judge.
import { sizeOf, type Watch } from '../../base/index.ts'
import { type Batch, batches, type Dataset, feedsOf, readSamples, type Sample } from '../../data/index.ts'
import type { Values } from '../../runtime/index.ts'

/** How samples are shared out between fitting and judging. */
export interface Shares {
  /** Corrections learn from this many samples at most. */
  readonly most: number
  /** Every how many samples one is held back to judge what is fitted to the others. */
  readonly validationEvery: number
}

/** Means need few samples: more brings nothing and costs memory. */
export const fewUnknowns: Shares = { most: 64, validationEvery: 4 }
/** Refitting weights, for 4 bits, has thousands of unknowns a layer. */
export const manyUnknowns: Shares = { most: 128, validationEvery: 8 }

/** Decoded samples that are kept, in bytes. */
const KEPT_BYTES = 96e6

/** A batch of the walk. */
export interface SplitBatch {
  readonly batch: Batch
  /** Does it only judge? */
  readonly validation: boolean
}

export class CalibrationSamples {
  readonly dataset: Dataset
  readonly indices: readonly number[]
  readonly #watch: Watch
  readonly #shares: Shares
  #batchSize = 1
  #split: readonly SplitBatch[] | undefined

  constructor(dataset: Dataset, indices: readonly number[], watch: Watch = {}, shares: Shares = fewUnknowns) {
    this.#shares = shares
    this.dataset = dataset
    this.indices = indices
    this.#watch = watch
  }

  /** Samples that run together, known once the model's shapes are. */
  set batchSize(size: number) {
    this.#batchSize = size
  }

  /** Samples that the split left out, once there is one: nothing was fitted to them but ranges. */
  get outside(): readonly number[] {
    return this.indices.filter((_, i) => !this.#inSplit.has(i))
  }

  ids(): string[] {
    return this.indices.map((index) => this.dataset.id(index))
  }

  /** Samples that are not held back. */
  get fitting(): number {
    const validation = (this.#split ?? []).filter((each) => each.validation)
    return this.indices.length - validation.reduce((sum, { batch }) => sum + batch.size, 0)
  }

  /** All samples, or those that are not held back, in batches; those of the split come from memory. */
  async *all(withValidation = true): AsyncGenerator<Batch, void, void> {
    const kept = this.#split
    if (kept) for (const { batch, validation } of kept) if (withValidation || !validation) yield batch
    const rest = kept ? this.outside : this.indices
    if (rest.length > 0) yield* this.read(rest)
  }

  /**
   * Some of the samples, spread over all, as batches that fit and batches that judge. Kept in memory: a second reading of
   * the same pictures would cost more than everything that is done with them.
   */
  async split(): Promise<readonly SplitBatch[]> {
    if (this.#split) return this.#split
    const { most, validationEvery } = this.#shares
    const places = spread(this.indices.length, most)
    const samples: { sample: Sample; place: number }[] = []
    let bytes = 0
    let at = 0
    for await (const sample of readSamples(
      this.dataset,
      places.map((place) => this.indices[place] ?? 0),
      { signal: this.#watch.signal },
    )) {
      samples.push({ sample, place: places[at++] ?? 0 })
      for (const value of Object.values(sample.inputs)) bytes += value.data.BYTES_PER_ELEMENT * sizeOf(value.dims)
      if (bytes > KEPT_BYTES && samples.length >= 2 * validationEvery) break
    }
    this.#inSplit = new Set(samples.map(({ place }) => place))
    const part = (validation: boolean) =>
      samples
        .filter((_, i) => samples.length > 1 && (i % validationEvery === validationEvery - 1) === validation)
        .map(({ sample }) => sample)
    const fit = samples.length === 1 ? samples.map(({ sample }) => sample) : part(false)
    // What does not fill the model's fixed batch judges: in a fit the samples that fill it up would count twice.
    const rest = wholeRuns(fit)
    const judging = [...part(true), ...fit.slice(rest)]
    this.#judging = judging.length > 0 ? judging : fit
    this.#split = [
      ...(await this.#join(fit.slice(0, rest))).map((batch) => ({ batch, validation: false })),
      ...(await this.#join(judging)).map((batch) => ({ batch, validation: true })),
    ]
    return this.#split
  }

  /** A few of the samples that are held back; where none is, of the others. */
  async few(count: number): Promise<SplitBatch[]> {
    await this.split()
    const chosen = spread(this.#judging.length, count).flatMap((place) => this.#judging[place] ?? [])
    return (await this.#join(chosen)).map((batch) => ({ batch, validation: true }))
  }

  #inSplit = new Set<number>()
  #judging: readonly Sample[] = []

  async #join(samples: readonly Sample[]): Promise<Batch[]> {
    const joined: Batch[] = []
    for await (const batch of batches(stream(samples), this.#batchSize)) joined.push(batch)
    return joined
  }

  /** Some samples of the data set, in batches. */
  read(indices: readonly number[]): AsyncIterable<Batch> {
    return batches(readSamples(this.dataset, indices, { signal: this.#watch.signal }), this.#batchSize)
  }

  /** The first sample alone, in a model of a fixed batch so many times. */
  async first(): Promise<Values> {
    return feedsOf(this.dataset, this.indices[0] ?? 0)
  }
}

/** How many of the samples make whole runs of a model's fixed batch; all of them where it is free, or none would be left. */
function wholeRuns(samples: readonly Sample[]): number {
  const each = samples[0]?.fixed?.size ?? 1
  return samples.length < each ? samples.length : samples.length - (samples.length % each)
}

async function* stream(samples: readonly Sample[]): AsyncGenerator<Sample, void, void> {
  yield* samples
}

/** At most `most` places of `count`, evenly spread. */
function spread(count: number, most: number): number[] {
  if (count <= most) return Array.from({ length: count }, (_, i) => i)
  return Array.from({ length: most }, (_, i) => Math.floor(((i + 0.5) * count) / most))
}
