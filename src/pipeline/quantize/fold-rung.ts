// The rung of dead channels: those that never change become biases and go.
import type { Statistics } from '../../onnx/index.ts'
import { foldDeadChannels } from '../../rewrite/index.ts'
import { channelsOf } from './channels-of.ts'
import type { Climb } from './climb.ts'
import { isBetter } from './judge.ts'
import { gain } from './rungs.ts'
import type { Standing } from './standing.ts'
import { storedChannels } from './stored-statistics.ts'

/** Dead channels folded; the same standing when nothing changed or it hurt. */
export async function foldRung(climb: Climb, standing: Standing, statistics: Statistics): Promise<Standing> {
  climb.step('folded')
  const known = statistics.size > 0 ? statistics : await channelsOf(climb, standing, 'fold-dead-channels')
  const folded = await climb.check(
    foldDeadChannels,
    foldDeadChannels.apply(standing.float, { shapes: standing.seen.shapes, statistics: known }),
    standing.seen,
  )
  if (!folded) return standing
  const next = await climb.build(folded.model, folded.seen)
  // Silent channels without weights cost nothing and let every later step see what matters: kept unless it hurts.
  const kept = climb.options.keep === 'always' || !isBetter(standing.score, next.score)
  climb.rungs.add('folded', kept, next.score, gain(next, standing))
  if (!kept) return standing
  climb.kept = [...climb.kept, 'fold-dead-channels']
  if (statistics.size === 0) climb.folding = storedChannels(known)
  return next
}
