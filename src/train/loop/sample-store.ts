// The samples of a training, decoded once: kept in memory while they fit, read again where they do not.
import {
  concatValues,
  InputError,
  isValueType,
  makeArray,
  sizeOf,
  type TensorValue,
  type ValueType,
} from '../../base/index.ts'
import type { Dataset, Label, Sample } from '../../data/index.ts'
import { randomStream } from '../../math/index.ts'
import type { TrainingGraph } from '../training-graph.ts'
import { type Augmentation, copyPicture, mixSamples } from './augment.ts'

/** Bytes of decoded samples that are kept, at most. */
const KEPT_BYTES = 2e9

export interface TrainingSample {
  readonly inputs: Sample['inputs']
  readonly label: Label | undefined
}

/** Hands out samples by their place in the list of those to train on. */
export class SampleStore {
  readonly size: number
  readonly hasLabels: boolean
  readonly #dataset: Dataset
  readonly #indices: readonly number[]
  readonly #kept = new Map<number, TrainingSample>()
  readonly #limit: number
  readonly #signal: AbortSignal | undefined
  #bytes = 0

  /** @param keep samples are asked for more than once */
  constructor(dataset: Dataset, indices: readonly number[], keep = true, signal?: AbortSignal) {
    this.#signal = signal
    this.#dataset = dataset
    this.#limit = keep ? KEPT_BYTES : 0
    this.#indices = indices
    this.size = indices.length
    this.hasLabels = dataset.hasLabels
  }

  /** Name of the sample at a place. */
  id(place: number): string {
    return this.#dataset.id(this.#indices[place] ?? 0)
  }

  async get(place: number): Promise<TrainingSample> {
    const present = this.#kept.get(place)
    if (present) return present
    const { inputs, label } = await this.#dataset.sample(this.#indices[place] ?? 0, this.#signal)
    const sample = { inputs, label }
    for (const { data } of Object.values(inputs)) this.#bytes += data.byteLength
    if (this.#bytes < this.#limit) this.#kept.set(place, sample)
    return sample
  }
}

export interface BatchPlan {
  /** Places of the samples; at most the graph's batch. The rest of the batch is padding that counts nothing. */
  readonly places: readonly number[]
  readonly augmentation?: Augmentation | undefined
  readonly seed: number
  readonly epoch: number
}

export interface TrainingBatch {
  readonly inputs: Readonly<Record<string, TensorValue>>
  readonly labels: BigInt64Array
  readonly rowWeight: Float32Array
  readonly sampleWeight: Float32Array
  /** Σ of the row weights. */
  readonly rows: number
}

/**
 * Joins samples into the batch that a training graph wants, padded where there are too few.
 * @throws InputError when a sample has another size, or a label does not fit the model
 */
export async function makeBatch(
  store: SampleStore,
  graph: Pick<TrainingGraph, 'inputs' | 'batch' | 'fixed' | 'needs'>,
  plan: BatchPlan,
  classes: number,
): Promise<TrainingBatch> {
  const { batch, fixed, needs } = graph
  const samples: TrainingSample[] = []
  for (const place of plan.places) samples.push(await store.get(place))
  const inputs: Record<string, TensorValue> = {}
  for (const { name, dims, dtype } of graph.inputs) {
    if (!isValueType(dtype)) throw new InputError(`input "${name}" is ${dtype}, which cannot be fed`)
    const axis = dims.length === 0 ? undefined : fixed ? fixed.axes[name] : 0
    inputs[name] = joined({ name, dims, dtype, axis }, batch, samples, plan)
  }
  const perSample = needs.rows / batch
  const labels = new BigInt64Array(needs.rows)
  const rowWeight = new Float32Array(needs.rows)
  const sampleWeight = new Float32Array(batch)
  let rows = 0
  for (const [i, { label }] of samples.entries()) {
    sampleWeight[i] = 1
    const list = label === undefined ? [] : typeof label === 'number' ? [label] : label
    if (needs.labels && list.length !== perSample)
      throw new InputError(
        `the model gives ${perSample} answers for a sample, sample ${plan.places[i]} has ${list.length} labels; is this the right set of labels?`,
      )
    for (let row = 0; row < perSample; row++) {
      const value = list[row] ?? -1
      if (needs.labels && value >= classes)
        throw new InputError(
          `a label is ${value}, but the model has ${classes} classes (0 to ${classes - 1}); are these its labels?`,
        )
      const counts = !needs.labels || value >= 0
      const at = needs.interleaved ? row * batch + i : i * perSample + row
      labels[at] = BigInt(Math.max(0, value))
      rowWeight[at] = counts ? 1 : 0
      if (counts) rows++
    }
  }
  return { inputs, labels, rowWeight, sampleWeight, rows }
}

interface Joined {
  readonly name: string
  readonly dims: readonly number[]
  readonly dtype: ValueType
  /** Axis of the samples; undefined for an input that is the same for all of them. */
  readonly axis: number | undefined
}

function joined(
  { name, dims, dtype, axis }: Joined,
  batch: number,
  samples: readonly TrainingSample[],
  plan: BatchPlan,
): TensorValue {
  const size = sizeOf(dims)
  const each = axis === undefined ? size : size / batch
  for (const [i, { inputs }] of samples.entries())
    if (inputs[name]?.data.length !== each)
      throw new InputError(
        `sample ${plan.places[i]} has ${inputs[name]?.data.length ?? 0} values for input "${name}", the model trains with ${each}; give all samples one size`,
      )
  const { augmentation } = plan
  // Places that stay empty are filled with samples again: zeros are nothing that a model was made for.
  const values = Array.from({ length: batch }, (_, i) => samples[i % samples.length]?.inputs[name])
  if (axis !== 0) return along(values, axis, { dtype, dims })
  const data = makeArray(dtype, size)
  for (const [i, value] of values.entries()) {
    if (!value) continue
    if (augmentation && dims.length === 4 && data instanceof Float32Array && value.data instanceof Float32Array) {
      const random = randomStream(plan.seed, `augment ${plan.epoch} ${plan.places[i % samples.length]}`)
      const picture = { data: value.data, dims: [dims[1] ?? 1, dims[2] ?? 1, dims[3] ?? 1] as const }
      copyPicture(data.subarray(i * each), picture, augmentation, random)
    } else if (data instanceof BigInt64Array || data instanceof BigUint64Array)
      data.set(value.data as BigInt64Array, i * each)
    else data.set(value.data as Float32Array, i * each)
  }
  if (augmentation?.mix && data instanceof Float32Array && dims.length > 1)
    mixSamples(data, samples.length, each, randomStream(plan.seed, `mix ${plan.epoch} ${plan.places}`))
  return { dtype, dims, data } as TensorValue
}

/** Values joined along another axis than the first, or the one that stands for all. */
function along(
  values: readonly (TensorValue | undefined)[],
  axis: number | undefined,
  { dtype, dims }: { readonly dtype: ValueType; readonly dims: readonly number[] },
): TensorValue {
  const present = values.flatMap((value) => value ?? [])
  const value = axis === undefined ? present[0] : concatValues(present, axis)
  return value ?? ({ dtype, dims, data: makeArray(dtype, sizeOf(dims)) } as TensorValue)
}
