// Where techniques learn from: samples, what was stored of them, or BatchNormalization's statistics. One search serves all three.
import type { ChannelRequest } from '../../calibrate/index.ts'
import type { Statistics } from '../../onnx/index.ts'
import type { RangeSource } from './build.ts'
import type { CalibrationSamples } from './calibration-samples.ts'
import type { Candidate, Form } from './candidate.ts'
import type { SearchContext } from './context.ts'
import type { Attempt, Technique } from './technique.ts'

export interface Source {
  /** The samples, where there are any. */
  readonly samples?: CalibrationSamples
  /** Are candidates compared? Without samples there is nothing to compare on, and what holds its bound is kept. */
  readonly judges: boolean
  /** Ranges of a form's activations. */
  readonly ranges: (form: Form) => RangeSource
  /** What some channels of a form do. */
  readonly channels: (form: Form, requests: readonly ChannelRequest[], context: SearchContext) => Promise<Statistics>
  /** Applies a technique by what this source knows. */
  readonly attempt: (
    technique: Technique,
    candidate: Candidate,
    context: SearchContext,
  ) => Promise<Attempt | undefined>
  /** What is put on the quantised model in the end. */
  readonly finish?: (candidate: Candidate, context: SearchContext) => Promise<Candidate>
  /** Technique → what it learnt when these statistics were made. */
  readonly stored?: Readonly<Record<string, unknown>>
  /** Said of the result. */
  readonly notes: readonly string[]
  /** Are rewrites proved on real samples? Elsewhere a bounded one only has to run and to keep shapes. */
  readonly proves: 'samples' | 'random' | 'runs'
}
