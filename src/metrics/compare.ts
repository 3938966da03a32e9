// Two models side by side on the same samples: agreement, KL, SQNR of each output, the metric as a pair.
import { InputError, report, throwIfCancelled, type Watch } from '../base/index.ts'
import type { Batch, Label } from '../data/index.ts'
import {
  argMax,
  type Interval,
  isDistribution,
  klDivergence,
  pairedDifference,
  SqnrAccumulator,
  wilsonInterval,
} from '../math/index.ts'
import type { Session, Values } from '../runtime/index.ts'

/** A metric that is a share of right answers. */
export interface MetricValue {
  readonly name: string
  readonly value: number
  readonly samples: number
  readonly interval: Interval
}

export interface MetricPair {
  readonly name: string
  readonly before: number
  readonly after: number
  readonly difference: number
  readonly interval: Interval
  readonly samples: number
}

export interface Comparison {
  readonly samples: number
  /** Share of samples (positions, for sequences) with the same arg-max; absent for models that are no classifiers. */
  readonly agreement?: number
  readonly kl?: number
  /** Output → SQNR in dB; null is an exact match. */
  readonly sqnrDb: Readonly<Record<string, number | null>>
  readonly metric?: MetricPair
  /** A label that the model has no output for: the labels are of another task, and there is no metric. */
  readonly unfitLabel?: { readonly label: number; readonly classes: number }
}

/** Streams the comparison; keep one for each pair of models. */
export class Comparer {
  readonly #sqnr = new Map<string, SqnrAccumulator>()
  #same = 0
  #kl = 0
  #rows = 0
  #samples = 0
  #classifier: boolean | undefined
  #unfit: { label: number; classes: number } | undefined
  #scored = 0
  #rightBefore = 0
  #rightAfter = 0
  #onlyBefore = 0
  #onlyAfter = 0

  /** Adds the outputs of both models on one batch. */
  add(before: Values, after: Values, labels: readonly Label[] | undefined, size: number): void {
    this.#samples += size
    for (const [index, [name, value]] of Object.entries(before).entries()) {
      const other = after[name]
      if (!other || !(value.data instanceof Float32Array) || !(other.data instanceof Float32Array)) continue
      const sum = this.#sqnr.get(name) ?? new SqnrAccumulator()
      this.#sqnr.set(name, sum)
      sum.add(value.data, other.data)
      if (index === 0) this.#addRows(value.data, other.data, value.dims, labels, size)
    }
  }

  #addRows(
    a: Float32Array,
    b: Float32Array,
    dims: readonly number[],
    labels: readonly Label[] | undefined,
    size: number,
  ): void {
    const width = dims.at(-1) ?? 1
    // Classes on the last axis, one row a sample or position: rank 2 or 3. Maps and boxes are no classifiers.
    this.#classifier ??=
      dims.length >= 2 &&
      dims.length <= 3 &&
      width >= 2 &&
      (dims.length === 2 || labels !== undefined || isDistribution(a, 0, width))
    if (!this.#classifier) return
    const rows = a.length / width
    const truth = labels ? labels.flat() : undefined
    const perSample = rows / size
    for (let row = 0; row < rows; row++) {
      const from = row * width
      const [first, second] = [argMax(a, from, width), argMax(b, from, width)]
      if (first === second) this.#same++
      this.#kl += klDivergence(a, b, from, width)
      this.#rows++
      const label = truth && (truth.length === rows || perSample === 1) ? truth[row] : undefined
      if (label === undefined || label < 0) continue
      if (label >= width) this.#unfit ??= { label, classes: width }
      this.#scored++
      if (first === label) this.#rightBefore++
      if (second === label) this.#rightAfter++
      if (first === label && second !== label) this.#onlyBefore++
      if (first !== label && second === label) this.#onlyAfter++
    }
  }

  result(metric = 'top1'): Comparison {
    const scored = this.#scored
    return {
      samples: this.#samples,
      ...(this.#rows > 0 ? { agreement: this.#same / this.#rows, kl: this.#kl / this.#rows } : {}),
      sqnrDb: Object.fromEntries([...this.#sqnr].map(([name, sum]) => [name, sum.db])),
      ...(this.#unfit ? { unfitLabel: this.#unfit } : {}),
      ...(scored > 0 && !this.#unfit
        ? {
            metric: {
              name: metric,
              before: this.#rightBefore / scored,
              after: this.#rightAfter / scored,
              ...pairedDifference(this.#onlyBefore, this.#onlyAfter, scored),
              samples: scored,
            },
          }
        : {}),
    }
  }
}

/** Runs two sessions over the batches and compares them. */
export async function compareSessions(
  before: Session,
  after: Session,
  batches: AsyncIterable<Batch>,
  total: number,
  watch: Watch = {},
  step = 'compare',
): Promise<Comparison> {
  const comparer = new Comparer()
  let done = 0
  let sequences = false
  for await (const batch of batches) {
    throwIfCancelled(watch.signal)
    report(watch, step, done, total)
    comparer.add(await before.run(batch.inputs), await after.run(batch.inputs), batch.labels, batch.size)
    sequences ||= batch.labels?.some((label) => typeof label !== 'number') === true
    done += batch.size
  }
  report(watch, step, done, total)
  return comparer.result(sequences ? 'next-token' : 'top1')
}

/** Scores one session by the share of right arg-max (or of labels among the k highest). */
export async function scoreSession(
  session: Session,
  batches: AsyncIterable<Batch>,
  total: number,
  watch: Watch = {},
  k = 1,
): Promise<MetricValue> {
  let right = 0
  let samples = 0
  let done = 0
  let sequences = false
  for await (const batch of batches) {
    throwIfCancelled(watch.signal)
    report(watch, 'evaluate', done, total)
    const first = Object.values(await session.run(batch.inputs))[0]
    const width = first?.dims.at(-1) ?? 1
    const labels = (batch.labels ?? []).flat()
    sequences ||= batch.labels?.some((label) => typeof label !== 'number') === true
    for (const [row, label] of labels.entries()) {
      if (label < 0 || !first || (row + 1) * width > first.data.length) continue
      if (label >= width)
        throw new InputError(
          `a label is ${label}, but the model has ${width} classes (0 to ${width - 1}); are these its labels?`,
        )
      samples++
      if (rankBelow(first.data as Float32Array, row * width, width, label) < k) right++
    }
    done += batch.size
  }
  report(watch, 'evaluate', done, total)
  const name = sequences ? 'next-token' : `top${k}`
  return {
    name,
    value: samples === 0 ? Number.NaN : right / samples,
    samples,
    interval: wilsonInterval(right, samples),
  }
}

/** How many values come before that of `label`: higher ones, and equal ones in front of it. */
function rankBelow(data: ArrayLike<number>, from: number, width: number, label: number): number {
  const own = data[from + label] ?? Number.NaN
  let rank = 0
  for (let i = 0; i < width; i++) {
    const value = data[from + i] ?? Number.NaN
    if (value > own || (value === own && i < label)) rank++
  }
  return rank
}
