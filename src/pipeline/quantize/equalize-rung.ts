// The rung of equalisation: scales found on channel statistics, proved, and ranges that reach as far as scaled values may.
import { weightBitsOf } from '../../quantize/index.ts'
import { capsWorthFreeing, EXACT_BOUND_DB, equalize, HOLD_BOUND_DB, widestReaches } from '../../rewrite/index.ts'
import { measureIntegerMin } from '../../runtime/index.ts'
import { channelsOf } from './channels-of.ts'
import type { Climb } from './climb.ts'
import { leastOfEqualization } from './judge.ts'
import { noiseGrids } from './noise-grids.ts'
import type { Standing } from './standing.ts'
import { storedChannels } from './stored-statistics.ts'

/** Equalised, built and scored; undefined when nothing changed or it was taken back. */
export async function equalizeRung(climb: Climb, standing: Standing): Promise<Standing | undefined> {
  climb.step('equalised')
  const { clip, signal, progress } = climb.options
  const quantize = climb.quantize
  const statistics = await channelsOf(climb, standing, 'equalize')
  const bits = weightBitsOf(standing.built.plan.placement, standing.float.graph.nodes, quantize)
  const noise = { ...noiseGrids(quantize, bits), signal, progress }
  const { float, seen } = standing
  const timeOf = (value: string) => measureIntegerMin(climb.runtime, seen.shapes.get(value)?.dims ?? [])
  const form = clip === 'auto' ? await capsWorthFreeing(float, seen.shapes, statistics, noise, timeOf) : clip
  if (typeof form !== 'string')
    climb.notes.push(
      `${form.size} ${form.size === 1 ? 'cap was' : 'caps were'} freed for what they gain against the time of an integer Min`,
    )
  climb.equalizing = {
    clip: typeof form === 'string' ? form : [...form],
    channels: storedChannels(statistics),
  }
  const result = await equalize(float, seen.shapes, statistics, { ...noise, clip: form })
  const kind = clip === 'exact' ? 'exact' : 'bounded'
  const boundDb = clip === 'exact' ? EXACT_BOUND_DB : HOLD_BOUND_DB
  const checked = await climb.check({ name: 'equalize', kind, boundDb }, result, standing.seen)
  if (!checked) return undefined
  const reaches = widestReaches(checked.model, result.statistics, checked.seen.shapes, climb.samples.fitting)
  const built = await climb.build(checked.model, checked.seen, (value) =>
    result.scaled.has(value) ? reaches(value) : undefined,
  )
  return { ...built, least: leastOfEqualization(result.scaled, checked.seen.shapes) }
}
