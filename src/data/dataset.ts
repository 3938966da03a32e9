// The nouns of this module: what a model expects, one sample for it, a data set of samples.
import type { TensorValue } from '../base/index.ts'
import type { Preprocess } from './preprocess.ts'

/**
 * A model input as declared. In `shape` a number is a fixed size, a string a named dynamic one, null an unnamed one.
 * `ValueInfo` of the onnx module fits.
 */
export interface InputSpec {
  readonly name: string
  readonly dtype?: string
  readonly shape?: readonly (number | string | null)[]
  /** What an input is that is not a tensor. */
  readonly container?: { readonly dtype?: string | undefined; readonly inside: readonly string[] }
}

/** The class of a sample, or one class per position (-1 where there is none). */
export type Label = number | readonly number[]

/** So many samples make one run of the model. */
export interface FixedBatch {
  readonly size: number
  /** Input → the axis along which samples are joined; an input that is not here is the same for all of them. */
  readonly axes: Readonly<Record<string, number>>
}

/** One sample: a value for every model input, each with a leading axis of 1, so that `joinSamples` makes a batch. */
export interface Sample {
  readonly id: string
  readonly inputs: Readonly<Record<string, TensorValue>>
  readonly label?: Label
  /** The model runs so many samples at a time, no fewer; absent: any number, or the sample is a whole run. */
  readonly fixed?: FixedBatch
}

/** Samples that are read when they are asked for; memory does not grow with their number. */
export interface Dataset {
  readonly name: string
  readonly size: number
  readonly hasLabels: boolean
  readonly classes?: number
  readonly classNames?: readonly string[]
  /** What was assumed or met, a sentence each. Grows while samples are read (grey pictures, EXIF orientation). */
  readonly notes: readonly string[]
  /** The preprocessing in force, with everything that was derived from the model; absent when there is none. */
  readonly preprocess?: Preprocess
  /** A stable name of the sample: the file, or the file and its row. */
  id(index: number): string
  /** Reads one sample. @throws InputError when it cannot be read, CancelledError when `signal` was aborted */
  sample(index: number, signal?: AbortSignal): Promise<Sample>
}

/** Chosen samples of a data set. */
export interface Samples {
  readonly dataset: Dataset
  readonly indices: readonly number[]
}
