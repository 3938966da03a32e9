// A float model on its way to a quantised one: how it will be quantised, how it came to be, and how it scores.
import type { Model, Statistics } from '../../onnx/index.ts'
import type { LayerCorrection, QuantizeOptions } from '../../quantize/index.ts'
import type { Observed } from '../../rewrite/index.ts'
import type { Built, WidestReach } from './build.ts'
import type { Score } from './judge.ts'

/** What is quantised and how, before anything is. */
export interface Form {
  readonly float: Model
  readonly seen: Observed
  /** What BatchNormalization knew of this float model's channels; empty when it knew nothing. */
  readonly statistics: Statistics
  /** With what stays float, once that is decided. */
  readonly quantize: QuantizeOptions
  /** How far values reach whose channels were scaled. */
  readonly reach?: WidestReach
  /** The float model before equalisation, where it was equalised. */
  readonly unequalized?: Model
  /** Techniques that were kept, in order. */
  readonly applied: readonly string[]
  /** Technique → its evidence: enough to apply it again without learning. */
  readonly evidence: Readonly<Record<string, unknown>>
}

/** A form with its quantisation, which is made when it is asked for. */
export interface Candidate extends Form {
  /** As calibrated, before any correction: where rounding starts. */
  readonly plain: () => Promise<Built>
  readonly built: () => Promise<Built>
  /** On held-back samples. @throws Error where there is nothing to judge with */
  readonly score: () => Promise<Score>
  /** What the last correction did to each layer. */
  readonly corrections: readonly LayerCorrection[]
}

/** Runs once, when it is first asked for. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}
