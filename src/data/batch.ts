// Samples joined along their batch axis.
import { concatValues, InputError, type TensorValue } from '../base/index.ts'
import type { Dataset, FixedBatch, Label, Sample } from './dataset.ts'
import { rowsOf } from './fixed-batch.ts'

/** Samples to run together. `labels` is there when every one of them has a label. */
export interface Batch {
  readonly ids: readonly string[]
  /** Samples that count. */
  readonly size: number
  readonly inputs: Readonly<Record<string, TensorValue>>
  readonly labels?: readonly Label[]
  /** The model's own batch: where it is larger than `size`, the first samples stand in the rest of `inputs` again. */
  readonly fixed?: FixedBatch
}

/**
 * Joins samples, in order, into batches of at most `batchSize`, or of the number that the model is fixed to. A sample of another
 * shape starts a new batch; one that cannot be joined (a first axis other than 1, as recurrent states have) is a batch of its own.
 */
export async function* batches(samples: AsyncIterable<Sample>, batchSize: number): AsyncGenerator<Batch, void, void> {
  if (!(Number.isInteger(batchSize) && batchSize > 0))
    throw new InputError(`a batch of ${batchSize} samples is not possible; the batch size must be an integer ≥ 1`)
  let waiting: Sample[] = []
  for await (const sample of samples) {
    const first = waiting[0]
    if (first && (waiting.length === (first.fixed?.size ?? batchSize) || !canJoin(first, sample))) {
      yield joinSamples(waiting)
      waiting = []
    }
    waiting.push(sample)
  }
  if (waiting.length > 0) yield joinSamples(waiting)
}

function canJoin(first: Sample, sample: Sample): boolean {
  if (first.fixed?.size !== sample.fixed?.size) return false
  return Object.entries(sample.inputs).every(([name, value]) => {
    const other = first.inputs[name]
    if (other?.dtype !== value.dtype || other.dims.join() !== value.dims.join()) return false
    const axis = axisOf(first, name, value)
    // Without an axis to join along it must be the same numbers.
    return axis === undefined ? isSame(other, value) : value.dims[axis] === 1
  })
}

function axisOf({ fixed }: Sample, name: string, { dims }: TensorValue): number | undefined {
  if (fixed) return fixed.axes[name]
  return dims.length === 0 ? undefined : 0
}

function isSame({ data: a }: TensorValue, { data: b }: TensorValue): boolean {
  return a === b || (a.length === b.length && a.every((value: number | bigint, i: number) => Object.is(value, b[i])))
}

/** Joins samples of the same shapes into one batch. @throws InputError when there is none or the shapes differ */
export function joinSamples(samples: readonly Sample[]): Batch {
  const fixed = samples[0]?.fixed
  const rows = fixed ? Array.from({ length: fixed.size }, (_, i) => samples[i % samples.length]) : samples
  const inputs: Record<string, TensorValue> = {}
  for (const [name, first] of Object.entries(samples[0]?.inputs ?? {})) {
    const values = rows.flatMap((sample) => sample?.inputs[name] ?? [])
    const axis = samples[0] && axisOf(samples[0], name, first)
    inputs[name] = axis === undefined ? first : concatValues(values, axis)
  }
  const labels = samples.flatMap((sample) => (sample.label === undefined ? [] : [sample.label]))
  return {
    ids: samples.map((sample) => sample.id),
    size: samples.length,
    inputs,
    ...(labels.length === samples.length && { labels }),
    ...(fixed && { fixed }),
  }
}

/** The samples of a batch again, each alone. */
export function samplesIn({ ids, size, inputs, labels, fixed }: Batch): Sample[] {
  const each = fixed ?? { size, axes: axesOf(inputs, size) }
  return Array.from({ length: size }, (_, index) => {
    const label = labels?.[index]
    const id = ids[index] ?? String(index)
    const own = size === 1 && !fixed ? inputs : rowsOf(inputs, each, index, index + 1)
    return { id, inputs: own, ...(label === undefined ? {} : { label }), ...(fixed && { fixed }) }
  })
}

function axesOf(inputs: Batch['inputs'], size: number): Record<string, number> {
  return Object.fromEntries(Object.entries(inputs).flatMap(([name, { dims }]) => (dims[0] === size ? [[name, 0]] : [])))
}

/** What a model made of a batch, without what only filled its fixed batch up. */
export function countedOf(outputs: Batch['inputs'], { size, fixed }: Batch): Batch['inputs'] {
  return fixed && fixed.size > size ? rowsOf(outputs, fixed, 0, size) : outputs
}

/** Batches without one that had to be filled up, unless there is no other: its samples would count twice in a fit. */
export function fullBatches(list: readonly Batch[]): readonly Batch[] {
  const full = list.filter(({ size, fixed }) => fixed === undefined || fixed.size === size)
  return full.length > 0 ? full : list
}

/** What a model is fed to run one sample: the sample, as many times as its fixed batch asks for. */
export async function feedsOf(dataset: Dataset, index: number, signal?: AbortSignal): Promise<Batch['inputs']> {
  return joinSamples([await dataset.sample(index, signal)]).inputs
}
