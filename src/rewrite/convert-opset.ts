// Raises a model to a newer opset, operator by operator: Q/DQ with per-channel scales needs opset 13, 16-bit types need 21.
import { UsageError } from '../base/index.ts'
import { type Model, opsetOf } from '../onnx/index.ts'
import { inlineFunctions } from './inline-functions.ts'
import { convertModel, NEWEST, OLDEST } from './opset/convert.ts'
import { defineRewrite, type Rewrite, type RewriteContext, type RewriteResult } from './rewrite.ts'

/**
 * Converts a model to opset `target`; models at or above it are left as they are. All or nothing: when one operator has no
 * known upgrade the model keeps its opset, and `skipped` says which. Sub-graphs are converted too; functions are written out
 * first, because a function names its own opset, which has to be the model's. Exact.
 * @throws UsageError when `target` lies outside 7..21
 */
export function convertOpsetTo(target: number): Rewrite {
  if (!Number.isInteger(target) || target < OLDEST || target > NEWEST)
    throw new UsageError(
      `cannot convert a model to opset ${target}; the target must be an integer from ${OLDEST} to ${NEWEST}`,
    )
  return defineRewrite({
    name: 'convert-opset',
    kind: 'exact',
    summary: `raises models of an older opset to ${target}`,
    apply: (model, context) => convertAll(model, context, target),
  })
}

/** Converts models below opset 13 to 13, the first with scales per channel. */
export const convertOpset: Rewrite = convertOpsetTo(13)

function convertAll(model: Model, context: RewriteContext, target: number): RewriteResult {
  if (!model.functions || opsetOf(model) >= target) return convertModel(model, context, target)
  const written = inlineFunctions.apply(model, context)
  const converted = convertModel(written.model, context, target)
  if (converted.changes.length === 0) return { ...converted, model }
  return { ...converted, changes: [...written.changes, ...converted.changes] }
}
