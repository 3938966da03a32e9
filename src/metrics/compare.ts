// Two models side by side on the same samples: agreement, KL, SQNR of each output, the metric as a pair.
import { InputError, messageOf, report, throwIfCancelled, type Watch } from '../base/index.ts'
import { type Batch, countedOf } from '../data/index.ts'
import { argMax, isDistribution, klDivergence, nonFiniteKind, SqnrAccumulator, withoutFloat16 } from '../math/index.ts'
import type { Session, Values } from '../runtime/index.ts'
import { type ColumnGroup, Columns } from './columns.ts'
import { type MetricPair, pairOf } from './figures.ts'
import { type Metric, samplesOf } from './metric.ts'
import { usualMetric } from './score.ts'
import { type Similarity, SimilarityTally } from './similarity.ts'
import type { TextOutput } from './text-output.ts'

export interface Comparison {
  readonly samples: number
  /** Share of samples (positions, for sequences) with the same arg-max; absent for models that are not classifiers. */
  readonly agreement?: number
  /** Samples, or positions, that the agreement counts. */
  readonly rows?: number
  readonly kl?: number
  /** How near the embeddings are, where a model gives some. */
  readonly similarity?: Similarity
  /** Output → SQNR in dB; null is an exact match. */
  readonly sqnrDb: Readonly<Record<string, number | null>>
  /** Outputs whose columns have different units → the SQNR of each group of columns. */
  readonly columns?: Readonly<Record<string, readonly ColumnGroup[]>>
  readonly metric?: MetricPair
  /** Why there is no metric although there are labels: they are of another task. */
  readonly unscored?: string
  /** What could not be compared, because the original itself gives NaN or infinities there. */
  readonly leftOut?: string
}

/** What there is to say about a comparison beside its figures. */
export function comparisonNotes({ unscored, leftOut }: Comparison): string[] {
  return [...(unscored === undefined ? [] : [`${unscored} No metric is shown.`]), ...(leftOut ? [leftOut] : [])]
}

/** Noise of an exact output as a share of its signal, when shares are averaged. */
const EXACT_SHARE = 1e-12

/**
 * SQNR over everything that an output says, in dB: the mean share of noise in the float outputs, those whose columns have
 * different units counted by column group. The worst group weighs most, and no large one hides a small one. Undefined when there
 * is not a float output.
 */
export function meanSqnrDb({ sqnrDb, columns }: Pick<Comparison, 'sqnrDb' | 'columns'>): number | undefined {
  const all = Object.entries(sqnrDb).flatMap(([name, db]) => columns?.[name]?.map((group) => group.sqnrDb) ?? [db])
  if (all.length === 0) return undefined
  const shares = all.map((db) => (db === null ? EXACT_SHARE : Math.max(EXACT_SHARE, 10 ** (-db / 10))))
  return -10 * Math.log10(shares.reduce((sum, share) => sum + share, 0) / shares.length)
}

/** What the metric made of the samples of a batch, by each of the models. */
export interface Scored {
  readonly metric: Metric
  readonly before: readonly unknown[]
  readonly after: readonly unknown[]
}

/** Streams the comparison; keep one for each pair of models. */
export class Comparer {
  readonly #sqnr = new Map<string, SqnrAccumulator>()
  readonly #columns = new Map<string, Columns>()
  #same = 0
  #kl = 0
  #rows = 0
  #klRows = 0
  #samples = 0
  readonly #unknown = new UnknownValues()
  #classifier: boolean | undefined
  #metric: Metric | undefined
  /** Was the metric asked for? Then labels that do not fit are an error, and not the labels of another task. */
  readonly #asked: boolean
  #unscored: string | undefined
  readonly #text: TextOutput | undefined
  readonly #similarity: SimilarityTally | undefined
  readonly #scores: { before: unknown[]; after: unknown[] } = { before: [], after: [] }

  /**
   * @param metric what was asked for; without it labels are scored by the usual metric
   * @param text what the first output of the original is, where that is known (`textOutputOf`)
   */
  constructor(metric?: Metric, text?: TextOutput) {
    this.#text = text
    this.#similarity = text?.kind === 'embedding' ? new SimilarityTally(text) : undefined
    this.#metric = metric
    this.#asked = metric !== undefined
  }

  /** Adds the outputs of both models on one batch. @returns what the metric made of its samples, where there is one */
  add(reference: Values, got: Values, batch: Batch): Scored | undefined {
    const [before, after] = [withoutFloat16(reference), withoutFloat16(got)]
    const { labels, size } = batch
    this.#samples += size
    const scored = this.#score(before, after, batch)
    const [own, others] = [countedOf(before, batch), countedOf(after, batch)]
    this.#similarity?.add(own, others, batch)
    for (const [index, [name, value]] of Object.entries(own).entries()) {
      const other = others[name]
      if (!other || !(value.data instanceof Float32Array) || !(other.data instanceof Float32Array)) continue
      const sum = this.#sqnr.get(name) ?? new SqnrAccumulator()
      this.#sqnr.set(name, sum)
      const left = sum.addKnown(value.data, other.data)
      if (left > 0) this.#unknown.add(name, value.data, batch)
      const columns = this.#columns.get(name) ?? new Columns()
      this.#columns.set(name, columns)
      columns.add(value.data, other.data, value.dims)
      if (index === 0) this.#addRows(value.data, other.data, value.dims, labels !== undefined)
    }
    return scored
  }

  #score(before: Values, after: Values, batch: Batch): Scored | undefined {
    this.#metric ??= batch.labels && usualMetric(batch.labels)
    const metric = this.#metric
    if (!metric || metric.between || this.#unscored !== undefined || (metric.needsLabels && !batch.labels))
      return undefined
    try {
      const [own, others] = [before, after].map((outputs) => samplesOf(batch, outputs).map(metric.score))
      this.#scores.before.push(...(own ?? []))
      this.#scores.after.push(...(others ?? []))
      return { metric, before: own ?? [], after: others ?? [] }
    } catch (error) {
      if (this.#asked || !(error instanceof InputError)) throw error
      this.#unscored = messageOf(error)
      return undefined
    }
  }

  /** Adds what a metric that runs both models itself makes of the samples of a batch. */
  async addBetween(sessions: readonly [Session, Session], batch: Batch): Promise<void> {
    const { between } = this.#metric ?? {}
    if (!between || batch.fixed) return
    for (const { inputs } of samplesOf(batch, {})) {
      if (this.#scores.after.length >= between.most) return
      this.#scores.before.push(0)
      this.#scores.after.push(await between.score(...sessions, inputs, this.#text))
    }
  }

  #addRows(a: Float32Array, b: Float32Array, dims: readonly number[], labelled: boolean): void {
    const width = dims.at(-1) ?? 1
    // Classes on the last axis, one row a sample or position: rank 2 or 3. Maps and boxes are not classifiers.
    this.#classifier ??=
      this.#similarity === undefined &&
      dims.length >= 2 &&
      dims.length <= 3 &&
      width >= 2 &&
      (dims.length === 2 || labelled || this.#text?.kind === 'logits' || isDistribution(a, 0, width))
    if (!this.#classifier) return
    const rows = a.length / width
    for (let row = 0; row < rows; row++) {
      const from = row * width
      const unknown = nonFiniteKind(a, from, width)
      if (unknown === 'NaN') continue
      const [first, second] = [argMax(a, from, width), argMax(b, from, width)]
      if (first === second) this.#same++
      this.#rows++
      if (unknown) continue
      this.#kl += klDivergence(a, b, from, width)
      this.#klRows++
    }
  }

  result(): Comparison {
    const { before, after } = this.#scores
    const metric = this.#metric && this.#unscored === undefined ? pairOf(this.#metric, before, after) : undefined
    const similarity = this.#similarity?.result()
    const columns = [...this.#columns].flatMap(([name, each]) => {
      const groups = each.groups()
      return groups ? [[name, groups] as const] : []
    })
    return {
      samples: this.#samples,
      ...(this.#rows > 0 ? { agreement: this.#same / this.#rows, rows: this.#rows } : {}),
      ...(this.#klRows > 0 ? { kl: this.#kl / this.#klRows } : {}),
      ...(similarity ? { similarity } : {}),
      sqnrDb: Object.fromEntries([...this.#sqnr].flatMap(([name, sum]) => (sum.count > 0 ? [[name, sum.db]] : []))),
      ...(columns.length > 0 ? { columns: Object.fromEntries(columns) } : {}),
      ...(this.#unscored === undefined ? {} : { unscored: this.#unscored }),
      ...this.#unknown.said(this.#samples),
      ...(metric ? { metric } : {}),
    }
  }
}

/** Names that are told, at most. */
const NAMED = 3

/** Samples for which the original's own outputs are not finite. */
class UnknownValues {
  readonly #ids = new Set<string>()
  readonly #outputs = new Set<string>()
  #nan = false

  add(output: string, values: Float32Array, { ids, size }: Batch): void {
    this.#outputs.add(output)
    const each = values.length / size
    for (const [index, id] of ids.entries()) {
      const kind = Number.isInteger(each) ? nonFiniteKind(values, index * each, each) : nonFiniteKind(values)
      if (kind) this.#ids.add(id)
      this.#nan ||= kind === 'NaN'
    }
  }

  said(samples: number): { readonly leftOut?: string } {
    const { size } = this.#ids
    if (size === 0) return {}
    const names = [...this.#ids].slice(0, NAMED).join(', ')
    return {
      leftOut: `the original itself gives ${this.#nan ? 'NaN' : 'infinities'} in ${[...this.#outputs].join(', ')} for ${size} of ${samples} samples (${names}${size > NAMED ? ', …' : ''}): those values are in no SQNR, agreement or KL`,
    }
  }
}

export interface CompareOptions extends Watch {
  /** Samples that there will be, for progress. */
  readonly total: number
  /** Name of the step in progress events; default "compare". */
  readonly step?: string
  /** What labelled samples are scored by; default: top-1 of classifiers. */
  readonly metric?: Metric | undefined
  /** What the first output of the original is, where that is known (`textOutputOf`). */
  readonly text?: TextOutput | undefined
  /** Looks at each batch as well; true ends the comparison behind it. */
  readonly each?: ((seen: ComparedBatch) => boolean) | undefined
}

/** A batch with what both models gave for it. */
export interface ComparedBatch {
  readonly batch: Batch
  readonly before: Values
  readonly after: Values
  readonly scored: Scored | undefined
}

/** Runs two sessions over the batches and compares them. */
export async function compareSessions(
  before: Session,
  after: Session,
  batches: AsyncIterable<Batch>,
  options: CompareOptions,
): Promise<Comparison> {
  const { total, step = 'compare', metric, text, each, ...watch } = options
  const comparer = new Comparer(metric, text)
  let done = 0
  for await (const batch of batches) {
    throwIfCancelled(watch.signal)
    report(watch, { step, done, total })
    const outputs = [await before.run(batch.inputs), await after.run(batch.inputs)].map(withoutFloat16)
    const [own = {}, others = {}] = outputs
    const scored = comparer.add(own, others, batch)
    await comparer.addBetween([before, after], batch)
    done += batch.size
    if (each?.({ batch, before: own, after: others, scored })) break
  }
  report(watch, { step, done, total })
  return comparer.result()
}
