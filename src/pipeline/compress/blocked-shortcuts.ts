// A latency budget's free part: rewrites that keep the function and that only a timing can tell the use of.
import type { Watch } from '../../base/index.ts'
import type { Model } from '../../onnx/index.ts'
import { type AppliedRewrites, applyRewrites, shortcutToConv } from '../../rewrite/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import type { EvaluationCache } from '../../search/index.ts'
import { remembered, timeShare } from './timing.ts'

export interface ShortcutContext extends Watch {
  readonly runtime: Runtime
  /** What times are shares of: the model as it was given. */
  readonly original: Model
  readonly sample: Values
  readonly cache: EvaluationCache
  /** Names model, runtime and machine. */
  readonly key: string
}

/** A gain below this is lost in the next measurement. */
const WORTH = 0.98

/** The model with its shortcuts in the blocked layout where that is faster on this machine; else as it was. */
export async function blockShortcuts(context: ShortcutContext, rewritten: AppliedRewrites): Promise<AppliedRewrites> {
  const { runtime, original, sample, cache, key } = context
  const { statistics } = rewritten
  const blocked = await applyRewrites(runtime, { model: rewritten.model, feeds: sample }, [shortcutToConv], {
    ...context,
    statistics,
  })
  const [row] = blocked.applied
  if (!row?.kept) return rewritten
  const share = await remembered(cache, `${key}|time with ${shortcutToConv.name}`, () =>
    timeShare(runtime, original, blocked.model, sample),
  )
  const time = `${share.toFixed(2)} of the original's time on this machine`
  if (share > WORTH)
    return { ...rewritten, applied: [...rewritten.applied, { ...row, kept: false, refused: `it takes ${time}` }] }
  const changes = [...row.changes, `the model takes ${time}`]
  return { ...blocked, applied: [...rewritten.applied, { ...row, changes }] }
}
