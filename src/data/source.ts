// Where samples come from, before labels given apart, unfed inputs and checks are added (see open-dataset.node.ts).
import type { TensorValue } from '../base/index.ts'
import type { Label } from './dataset.ts'
import type { Preprocess } from './preprocess.ts'

export interface SourceSample {
  /** Values by model input, each with its leading axis of 1. */
  readonly values: Readonly<Record<string, TensorValue>>
  readonly label?: Label
}

export interface Source {
  readonly name: string
  readonly size: number
  /** Names of the model inputs that get values. */
  readonly fed: ReadonlySet<string>
  readonly hasLabels: boolean
  readonly classes?: number
  readonly classNames?: readonly string[]
  readonly preprocess?: Preprocess
  /** What was assumed or met so far. */
  readonly notes: () => readonly string[]
  readonly id: (index: number) => string
  readonly read: (index: number) => Promise<SourceSample>
}

/** The ids of all samples of a source. */
export function idsOf(source: Source): string[] {
  return Array.from({ length: source.size }, (_, index) => source.id(index))
}

/** The samples [from, to) of a source. */
export function withRows(source: Source, [from, to]: readonly [number, number]): Source {
  return {
    ...source,
    size: to - from,
    id: (index) => source.id(from + index),
    read: (index) => source.read(from + index),
  }
}

/** What is known of the labels besides themselves. */
export interface ClassFacts {
  readonly classes?: number
  readonly classNames?: readonly string[]
}

/** The same samples with labels of their own. */
export function withLabels(source: Source, label: (index: number) => Promise<Label>, facts: ClassFacts = {}): Source {
  return {
    ...source,
    ...facts,
    hasLabels: true,
    read: async (index) => {
      const [sample, its] = await Promise.all([source.read(index), label(index)])
      return { ...sample, label: its }
    },
  }
}
