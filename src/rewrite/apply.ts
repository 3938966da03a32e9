// Applying rewrites, each checked at once: the model must give what it gave before, or the rewrite is taken back.
import { report, type TensorValue, throwIfCancelled, type Watch } from '../base/index.ts'
import { SqnrAccumulator } from '../math/index.ts'
import type { Model, Shapes, Statistics } from '../onnx/index.ts'
import { observe, type Runtime, type Values } from '../runtime/index.ts'
import type { Rewrite } from './rewrite.ts'

/** What became of one rewrite. */
export interface AppliedRewrite {
  readonly name: string
  readonly kind: Rewrite['kind']
  /** False: it changed nothing, or it broke its bound and was taken back. */
  readonly kept: boolean
  readonly changes: readonly string[]
  readonly skipped: readonly string[]
  /** Lowest SQNR of an output against the model before, in dB; null for an exact match; absent when nothing changed. */
  readonly sqnrDb?: number | null
  /** Why it was taken back. */
  readonly refused?: string
}

export interface AppliedRewrites {
  readonly model: Model
  readonly shapes: Shapes
  readonly statistics: Statistics
  readonly applied: readonly AppliedRewrite[]
}

/** A bounded output such as a Sigmoid's is only right to a few float32 steps of 1. */
const STEP_OF_ONE = 5e-7

/**
 * Applies rewrites in order. After each that changed something the model is run on `feeds` (one sample) and compared with
 * the one before; a rewrite below its bound, or whose result ONNX Runtime refuses, is taken back and reported.
 */
export async function applyRewrites(
  runtime: Runtime,
  model: Model,
  rewrites: readonly Rewrite[],
  feeds: Values,
  watch: Watch & { readonly label?: string } = {},
): Promise<AppliedRewrites> {
  let current = model
  let seen = await observe(runtime, model, feeds, watch.label)
  let statistics: Statistics = new Map()
  const applied: AppliedRewrite[] = []
  for (const [index, rewrite] of rewrites.entries()) {
    throwIfCancelled(watch.signal)
    report(watch, 'rewrite', index, rewrites.length, rewrite.name)
    const { name, kind } = rewrite
    const result = rewrite.apply(current, { shapes: seen.shapes, statistics })
    const { changes, skipped } = result
    if (changes.length === 0) {
      applied.push({ name, kind, kept: false, changes, skipped })
      continue
    }
    try {
      const now = await observe(runtime, result.model, feeds, watch.label, seen.shapes)
      const { db, same } = compareOutputs(seen.outputs, now.outputs)
      if (!same && !(db === null || db >= rewrite.boundDb)) {
        const refused = `${db?.toFixed(1)} dB against the model before, at least ${rewrite.boundDb} dB are needed`
        applied.push({ name, kind, kept: false, changes, skipped, sqnrDb: db, refused })
        continue
      }
      applied.push({ name, kind, kept: true, changes, skipped, sqnrDb: db })
      current = result.model
      statistics = result.statistics
      seen = now
    } catch (error) {
      throwIfCancelled(watch.signal)
      const refused = error instanceof Error ? error.message : String(error)
      applied.push({ name, kind, kept: false, changes, skipped, refused })
    }
  }
  report(watch, 'rewrite', rewrites.length, rewrites.length)
  return { model: current, shapes: seen.shapes, statistics, applied }
}

/** Lowest SQNR over the float outputs, and whether all differences are below what float32 can tell. */
function compareOutputs(before: Values, after: Values): { db: number | null; same: boolean } {
  let lowest: number | null = null
  let largest = 0
  for (const [name, value] of Object.entries(before)) {
    const other = after[name]
    if (!other || other.dims.join() !== value.dims.join()) return { db: Number.NEGATIVE_INFINITY, same: false }
    const { db, difference } = compareValues(value, other)
    if (db !== null && (lowest === null || !(db >= lowest))) lowest = db
    largest = Math.max(largest, difference)
  }
  return { db: lowest, same: largest <= STEP_OF_ONE }
}

function compareValues(a: TensorValue, b: TensorValue): { db: number | null; difference: number } {
  const [left, right] = [Array.from(a.data, Number), Array.from(b.data, Number)]
  const sum = new SqnrAccumulator()
  sum.add(left, right)
  let difference = 0
  for (let i = 0; i < left.length; i++) difference = Math.max(difference, Math.abs((left[i] ?? 0) - (right[i] ?? 0)))
  return { db: sum.db, difference }
}
