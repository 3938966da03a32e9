// What a metric is: a value per sample, higher is better unless it says otherwise, so that two models can be compared on the same samples.
import { InputError } from '../base/index.ts'
import { type Batch, type FixedBatch, type Label, rowsOf } from '../data/index.ts'
import type { Session, Values } from '../runtime/index.ts'
import type { TextOutput } from './text-output.ts'

/** What runs a model. */
export type Runs = Pick<Session, 'run'>

/** One sample with what a model made of it. Values keep their leading axis of 1. */
export interface ScoredSample {
  readonly id: string
  readonly inputs: Values
  readonly outputs: Values
  readonly label?: Label
}

export interface Metric {
  readonly name: string
  /** Unit of its values, '' for bare numbers; absent: it is a share, 0 to 1, shown in per cent. */
  readonly unit?: string
  /** Absent: higher is better. */
  readonly lowerIsBetter?: true
  readonly needsLabels: boolean
  /**
   * What one sample is worth: a number, one a position, or undefined when it cannot be scored. With `total` it may be anything.
   * @throws InputError when the sample's label does not fit the model
   */
  readonly score: (sample: ScoredSample) => unknown
  /** It holds one model against another, of which it is told instead of outputs; for at most so many samples. */
  readonly between?: {
    readonly most: number
    readonly score: (
      before: Runs,
      after: Runs,
      inputs: Values,
      text: TextOutput | undefined,
    ) => Promise<number | undefined>
  }
  /** The figure of all samples from their scores; their mean if not given. */
  readonly total?: (scores: readonly unknown[]) => number
}

/** Checks a metric. @throws InputError when it has no name or cannot score */
export function defineMetric(metric: Metric): Metric {
  const { name, unit, score, total } = metric
  const wrong = (what: string) => new InputError(`metric "${name}" ${what}`)
  if (typeof name !== 'string' || name === '') throw new InputError('a metric needs a "name", a short text')
  if (unit !== undefined && typeof unit !== 'string') throw wrong(`has a "unit" of type ${typeof unit}, expected text`)
  if (typeof score !== 'function') throw wrong('needs a function "score" that takes a sample and gives a number')
  if (total !== undefined && typeof total !== 'function') throw wrong('has a "total" that is not a function')
  return metric
}

/** The samples of a batch, each with its part of the outputs. */
export function samplesOf({ ids, size, inputs, labels, fixed }: Batch, outputs: Values): ScoredSample[] {
  // Without a batch of the model's own, samples were joined along the first axis.
  const joined: FixedBatch = fixed ?? { size, axes: {} }
  const partOf = (values: Values, index: number) =>
    joined.size === 1 ? values : rowsOf(values, joined, index, index + 1)
  return Array.from({ length: size }, (_, index) => {
    const label = labels?.[index]
    return {
      id: ids[index] ?? String(index),
      inputs: partOf(inputs, index),
      outputs: partOf(outputs, index),
      ...(label === undefined ? {} : { label }),
    }
  })
}
