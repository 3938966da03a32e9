// Raises a model to a newer opset, operator by operator: Q/DQ with per-channel scales needs opset 13, 16-bit types need 21.
import { UsageError } from '../base/index.ts'
import { type Model, opsetOf } from '../onnx/index.ts'
import { inlineFunctions } from './inline-functions.ts'
import { lift, NEWEST, OLDEST } from './lift/lift.ts'
import { defineRewrite, type Rewrite, type RewriteContext, type RewriteResult } from './rewrite.ts'

/**
 * Lifts a model to opset `target`; models at or above it are left as they are. All or nothing: when one operator has no
 * known upgrade the model keeps its opset, and `skipped` says which. Sub-graphs are lifted too; functions are written out
 * first, because a function names its own opset, which has to be the model's. Exact.
 * @throws UsageError when `target` lies outside 7..21
 */
export function liftOpsetTo(target: number): Rewrite {
  if (!Number.isInteger(target) || target < OLDEST || target > NEWEST)
    throw new UsageError(
      `cannot lift a model to opset ${target}; the target must be an integer from ${OLDEST} to ${NEWEST}`,
    )
  return defineRewrite({
    name: 'lift-opset',
    kind: 'exact',
    summary: `raises models of an older opset to ${target}`,
    apply: (model, context) => liftAll(model, context, target),
  })
}

/** Lifts models below opset 13 to 13, the first with scales per channel. */
export const liftOpset: Rewrite = liftOpsetTo(13)

function liftAll(model: Model, context: RewriteContext, target: number): RewriteResult {
  if (!model.functions || opsetOf(model) >= target) return lift(model, context, target)
  const written = inlineFunctions.apply(model, context)
  const lifted = lift(written.model, context, target)
  if (lifted.changes.length === 0) return { ...lifted, model }
  return { ...lifted, changes: [...written.changes, ...lifted.changes] }
}
