// Samples joined along their first axis.
import { concatValues, InputError, sizeOf, type TensorValue } from '../base/index.ts'
import type { Label, Sample } from './dataset.ts'

/** Samples to run together. `labels` is there when every one of them has a label. */
export interface Batch {
  readonly ids: readonly string[]
  readonly size: number
  readonly inputs: Readonly<Record<string, TensorValue>>
  readonly labels?: readonly Label[]
}

/**
 * Joins samples, in order, into batches of at most `batchSize`. A sample of another shape starts a new batch; one that
 * cannot be joined (a first axis other than 1, as recurrent states have) is a batch of its own.
 */
export async function* batches(samples: AsyncIterable<Sample>, batchSize: number): AsyncGenerator<Batch, void, void> {
  if (!(Number.isInteger(batchSize) && batchSize > 0))
    throw new InputError(`a batch of ${batchSize} samples is not possible; the batch size is a whole number from 1`)
  let waiting: Sample[] = []
  let form: string | undefined
  for await (const sample of samples) {
    const its = formOf(sample)
    if (waiting.length > 0 && (waiting.length === batchSize || its === undefined || its !== form)) {
      yield joinSamples(waiting)
      waiting = []
    }
    form = its
    waiting.push(sample)
  }
  if (waiting.length > 0) yield joinSamples(waiting)
}

/** What two samples must have in common to be joined; undefined when this one can be joined with none. */
function formOf(sample: Sample): string | undefined {
  const parts: string[] = []
  for (const [name, { dtype, dims, data }] of Object.entries(sample.inputs)) {
    if (dims.length > 0 && dims[0] !== 1) return undefined
    // A scalar has no axis to join along: it must be the same number.
    parts.push(`${name} ${dtype} ${dims.length === 0 ? data[0] : `[${dims.slice(1)}]`}`)
  }
  return parts.join('; ')
}

/** Joins samples of the same shapes into one batch. @throws InputError when there is none or the shapes differ */
export function joinSamples(samples: readonly Sample[]): Batch {
  const inputs: Record<string, TensorValue> = {}
  for (const [name, first] of Object.entries(samples[0]?.inputs ?? {})) {
    const values = samples.flatMap((sample) => sample.inputs[name] ?? [])
    inputs[name] = first.dims.length === 0 ? first : concatValues(values)
  }
  const labels = samples.flatMap((sample) => (sample.label === undefined ? [] : [sample.label]))
  return {
    ids: samples.map((sample) => sample.id),
    size: samples.length,
    inputs,
    ...(labels.length === samples.length && { labels }),
  }
}

/** Part `index` of values that `size` samples were joined in along their first axis. */
export function partOf(
  values: Readonly<Record<string, TensorValue>>,
  index: number,
  size: number,
): Readonly<Record<string, TensorValue>> {
  if (size === 1) return values
  return Object.fromEntries(
    Object.entries(values).map(([name, value]): [string, TensorValue] => {
      const [rows = 0, ...rest] = value.dims
      if (rows % size !== 0) return [name, value]
      const each = (rows / size) * sizeOf(rest)
      const data = value.data.subarray(index * each, (index + 1) * each)
      return [name, { ...value, dims: [rows / size, ...rest], data } as TensorValue]
    }),
  )
}
