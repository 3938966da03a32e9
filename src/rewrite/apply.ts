// Applying rewrites, each checked at once: the model must give what it gave before, or the rewrite is reverted.
import { report, throwIfCancelled, type Watch } from '../base/index.ts'
import { type Model, refuseGiants, type Shapes, type Statistics } from '../onnx/index.ts'
import { declareTypes, type Runtime, type SampledModel } from '../runtime/index.ts'
import { computedConstants } from './constants/computed.ts'
import { boundIn, type Observed, observeModel, type Proof, prove, randomLike } from './prove.ts'
import type { Pass, Rewrite, RewriteResult } from './rewrite.ts'

/** What became of one rewrite. */
export interface AppliedRewrite {
  readonly name: string
  readonly kind: Rewrite['kind']
  /** False: it changed nothing, or it broke its bound and was reverted. */
  readonly kept: boolean
  readonly changes: readonly string[]
  readonly skipped: readonly string[]
  /** Lowest SQNR that the rewritten model may have against the one before. */
  readonly boundDb: number
  /** Lowest SQNR of an output against the model before, in dB; null for an exact match; absent when nothing changed. */
  readonly sqnrDb?: number | null
  /** The same on random inputs. */
  readonly randomSqnrDb?: number | null
  /** Why it was reverted. */
  readonly refused?: string
}

export interface AppliedRewrites {
  readonly model: Model
  readonly shapes: Shapes
  readonly statistics: Statistics
  readonly applied: readonly AppliedRewrite[]
}

/**
 * Applies rewrites in order. After each that changed something the model is run on `feeds` (one sample) and on random inputs
 * like it, and compared with the one before; a rewrite below its bound, or whose result ONNX Runtime refuses, is reverted
 * and reported.
 */
export async function applyRewrites(
  runtime: Runtime,
  { model, feeds }: SampledModel,
  rewrites: readonly Pass[],
  watch: Watch & { readonly label?: string; readonly statistics?: Statistics } = {},
): Promise<AppliedRewrites> {
  refuseGiants(model, watch.label, computedConstants)
  let current = await declareTypes(runtime, model)
  let seen = await observeModel(runtime, current, { feeds, random: randomLike(feeds) }, watch)
  let statistics: Statistics = watch.statistics ?? new Map()
  const applied: AppliedRewrite[] = []
  for (const [index, rewrite] of rewrites.entries()) {
    throwIfCancelled(watch.signal)
    report(watch, { step: 'rewrite', done: index, total: rewrites.length, message: rewrite.name })
    const result = await rewrite.apply(current, { shapes: seen.shapes, statistics })
    const step = await checkRewrite(runtime, rewrite, { before: seen, result }, watch)
    applied.push(step.applied)
    if (!step.seen) continue
    current = result.model
    statistics = result.statistics
    seen = step.seen
  }
  report(watch, { step: 'rewrite', done: rewrites.length, total: rewrites.length })
  return { model: current, shapes: seen.shapes, statistics, applied }
}

/** What was seen of a model, and what a rewrite made of it. */
export interface RewriteStep {
  readonly before: Observed
  readonly result: RewriteResult
}

/** Proves one rewrite's result against what was seen of the model before; `seen` is absent when it was not kept. */
export async function checkRewrite(
  runtime: Runtime,
  { name, kind, boundDb: wanted }: Pick<Rewrite, 'name' | 'kind' | 'boundDb'>,
  { before, result: { model, changes, skipped } }: RewriteStep,
  watch: Watch & { readonly label?: string } = {},
): Promise<{ readonly applied: AppliedRewrite; readonly seen?: Observed }> {
  const boundDb = boundIn(before, wanted)
  const plain = { name, kind, changes, skipped, boundDb }
  if (changes.length === 0) return { applied: { ...plain, kept: false } }
  let proof: Proof
  try {
    proof = await prove(runtime, before, model, watch.label)
  } catch (error) {
    throwIfCancelled(watch.signal)
    return { applied: { ...plain, kept: false, refused: error instanceof Error ? error.message : String(error) } }
  }
  const { real, random } = proof
  const measured = { ...plain, sqnrDb: real.db, ...(random ? { randomSqnrDb: random.db } : {}) }
  const holds = (side: Proof['real']) => side.same || side.db === null || side.db >= boundDb
  if (!holds(real)) return { applied: { ...measured, kept: false, refused: tooFar(real.db, boundDb, 'this sample') } }
  // A bounded rewrite is bound to the inputs it was made for.
  if (kind === 'exact' && random && !holds(random))
    return { applied: { ...measured, kept: false, refused: tooFar(random.db, boundDb, 'random inputs') } }
  return { applied: { ...measured, kept: true }, seen: proof.seen }
}

function tooFar(db: number | null, boundDb: number, what: string): string {
  return `${db?.toFixed(1)} dB against the model before on ${what}, at least ${boundDb} dB are needed`
}
