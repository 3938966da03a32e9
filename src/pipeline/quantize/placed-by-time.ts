// --prefer speed in the order of a quantisation: first of all it is decided what may run in integers.
import { UnsupportedError } from '../../base/index.ts'
import { place, type QuantizeOptions, type Target } from '../../quantize/index.ts'
import { typesOf } from '../../runtime/index.ts'
import { asItCame } from './as-it-came.ts'
import type { ModeJob, Produced } from './mode.ts'
import { fasterPlacement, type SpeedChoice } from './prefer-speed.ts'
import { repeated } from './repeated.ts'

export interface PlacedByTime {
  readonly options: QuantizeOptions
  readonly speed?: SpeedChoice
  /** The model as it came, where no part in integers makes it faster. */
  readonly untouched?: Produced
}

/** @throws UnsupportedError where nothing here measures the target's latency */
export async function placedByTime(job: ModeJob): Promise<PlacedByTime> {
  const { recipe, material, shapes, notes } = job
  const stored = material.stored?.slowNodes !== undefined
  if (recipe.prefer !== 'speed' && !stored) return { options: job.options }
  const options = { ...job.options, target: unbiased(job.options.target) }
  // What was chosen by time once is repeated as it was.
  if (stored) return { options }
  const faster = await measured({ ...job, options }, job.options)
  if (!faster) return { options }
  const { slowNodes, speed } = faster
  if (slowNodes) return { options: { ...options, slowNodes }, speed }
  notes.push(
    'no part of the model in integers makes it faster here: the result is the float model as it came; for its size try --prefer size, --mode weights or --mode float16',
  )
  const reason = 'it is faster in float on this machine, with all others'
  return { options, speed, untouched: asItCame({ shapes, float: [], speed }, material.original, reason) }
}

async function measured(job: ModeJob, known: QuantizeOptions) {
  const { recipe, options, model, shapes, material, first, watch } = job
  const { clock } = material
  const { batch } = recipe
  if (!clock?.profile)
    throw new UnsupportedError(
      `the latency of ${recipe.target} cannot be measured here (${options.target.runtime === undefined ? 'no runtime of it is here' : `its runtime is ${options.target.runtime}`}): leave out --prefer speed, or quantise where it can`,
    )
  const feeds = batch === 1 ? first : repeated(model, first, batch)
  const usual = place(model, known, typesOf(model)).reasons
  const slow = new Set([...usual].flatMap(([name, { code }]) => (code === 'slow' ? [name] : [])))
  const given = { model, shapes, feeds, batch, usual: slow }
  return fasterPlacement({ ...clock, profile: clock.profile }, given, options, watch)
}

/** A target without what is known of its speed: that is measured. */
function unbiased(target: Target): Target {
  return { ...target, ops: target.ops.map(({ slow: _, ...op }) => op) }
}
