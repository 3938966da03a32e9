// What stays float: few grids that bring most of the noise.
import { z } from 'zod'
import type { Candidate } from '../candidate.ts'
import { bestChoice, floatChoices, knownRanges, PRICES, probeSize, SOUND_DB, WHATEVER } from '../float-choices.ts'
import { gain } from '../rows.ts'
import type { Technique } from '../technique.ts'

export const keepFloat: Technique<readonly string[]> = {
  name: 'keep-float',
  row: 'spared',
  evidence: z.array(z.string()),
  async attempt(candidate, context) {
    if (!context.judges) return undefined
    const before = await candidate.score()
    const accurate = context.options.prefer === 'accuracy'
    if (before.db >= SOUND_DB && !accurate) return undefined
    if (!context.canTell)
      return { leftOut: 'one clipped value decides what so few held-back outputs say; give more samples' }
    const { signal, progress } = context.options
    const { float, seen } = candidate
    const plain = await candidate.plain()
    const probe = await context.source.samples?.few(probeSize(seen.shapes))
    const watch = { signal, progress }
    const choices = await floatChoices(
      context.runtime,
      { model: float, shapes: seen.shapes, plan: plain.plan },
      probe ?? [],
      watch,
    )
    const { best, kept } = await bestChoice(
      choices,
      before,
      async ({ values }) => {
        const built = context.candidate(without(candidate, [...values]), knownRanges(plain))
        return { built, score: await built.score() }
      },
      accurate ? WHATEVER : PRICES,
    )
    if (!best) return { leftOut: 'no few grids bring most of the noise' }
    const { choice, built, score } = best
    const what = `${choice.grids} ${choice.grids === 1 ? 'grid' : 'grids'} less, ${(100 * choice.share).toFixed(1)} % of the multiplications in float`
    return { candidate: built, kept, gained: `${gain(score, before)}: ${what}` }
  },
  async replay(candidate, values, context) {
    return context.candidate(without(candidate, values))
  },
}

function without({ evidence, quantize, ...form }: Candidate, values: readonly string[]) {
  return {
    ...form,
    quantize: { ...quantize, floatValues: new Map([...(quantize.floatValues ?? []), ...values.map(costly)]) },
    evidence: { ...evidence, [keepFloat.name]: values },
  }
}

const costly = (value: string) => [value, `an integer grid for "${value}" costs too much of the outputs`] as const
