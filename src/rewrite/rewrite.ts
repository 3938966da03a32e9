// What a rewrite is: the same function in a better form. Each is one file, a plain object, listed in passes.ts.
import type { Model, Shapes, Statistics } from '../onnx/index.ts'

export interface RewriteContext {
  /** Observed shapes of the model given; empty when it was never run. */
  readonly shapes: Shapes
  readonly statistics: Statistics
}

export interface RewriteResult {
  readonly model: Model
  readonly statistics: Statistics
  /** What was done to which node, in words and numbers. Empty: nothing was changed, and `model` is the one given. */
  readonly changes: readonly string[]
  /** What was left alone, and why: "bn3: its input is also a graph output". */
  readonly skipped: readonly string[]
}

export interface Rewrite {
  /** As in recipes and on the command line: "fold-batch-norm". */
  readonly name: string
  /** exact: equal up to float32 rounding, above 100 dB. bounded: states its bound. */
  readonly kind: 'exact' | 'bounded'
  /** One line for people. */
  readonly summary: string
  /** Lowest SQNR in dB that the rewritten model may have against the one before. */
  readonly boundDb: number
  /** Statistics of channels: calibrated when there is data, else those of BatchNormalization. */
  readonly needs?: 'statistics'
  readonly apply: (model: Model, context: RewriteContext) => RewriteResult
}

/** A rewrite that takes its time: a search that lets others have the thread. */
export interface SlowRewrite extends Omit<Rewrite, 'apply'> {
  readonly apply: (model: Model, context: RewriteContext) => Promise<RewriteResult>
}

/** What a list of passes holds. */
export type Pass = Rewrite | SlowRewrite

/** Lowest SQNR in dB that an exact rewrite may leave: float32 rounding through a deep network. */
export const EXACT_BOUND_DB = 80

/** Makes an exact rewrite; the model given is never changed. */
export function defineRewrite(rewrite: Omit<Rewrite, 'boundDb'> & { readonly boundDb?: number }): Rewrite {
  return { boundDb: EXACT_BOUND_DB, ...rewrite }
}
