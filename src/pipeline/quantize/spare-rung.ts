// The rung of what stays float: few grids that bring most of the noise.
import { buildQuantized } from './build.ts'
import type { Climb } from './climb.ts'
import { bestChoice, floatChoices, knownRanges, probeSize, SOUND_DB } from './keep-float.ts'
import { gain } from './rungs.ts'
import type { Standing } from './standing.ts'

/** Leaves the few grids float that cost most, where outputs are bad and it pays; undefined when everything stays as it is. */
export async function spareRung(climb: Climb, standing: Standing): Promise<Standing | undefined> {
  if (standing.score.db >= SOUND_DB) return undefined
  climb.step('spared')
  if (!climb.canTell) {
    climb.rungs.leave('spared', 'one clipped value decides what so few held-back outputs say; give more samples')
    return undefined
  }
  const { signal, progress } = climb.options
  const { float, seen, plain } = standing
  const probe = await climb.samples.few(probeSize(seen.shapes))
  const watch = { signal, progress }
  const choices = await floatChoices(climb.runtime, float, seen.shapes, plain.plan, probe, watch)
  const { best, kept } = await bestChoice(choices, standing.score, async ({ values: floatValues }) => {
    const quantize = { ...climb.quantize, floatValues }
    const built = await buildQuantized(climb.runtime, float, seen.shapes, knownRanges(plain), quantize, watch)
    return { built, score: await climb.score(built) }
  })
  if (!best) {
    climb.rungs.leave('spared', 'no few grids bring most of the noise')
    return undefined
  }
  const { choice, built, score } = best
  const what = `${choice.grids} ${choice.grids === 1 ? 'grid' : 'grids'} less, ${(100 * choice.share).toFixed(1)} % of the multiplications in float`
  climb.rungs.add('spared', kept, score, `${gain(best, standing)}: ${what}`)
  if (!kept) return undefined
  climb.quantize = { ...climb.quantize, floatValues: choice.values }
  return { ...standing, plain: built, built, score }
}
