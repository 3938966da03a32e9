// The noise of quantisation at all outputs together: what a mean SQNR judges, as a loss.
import { UnsupportedError } from '../../base/index.ts'
import { meanOfSamples } from './mean-of-samples.ts'
import type { LossTerm } from './terms.ts'

/** A value of the trained model, the teacher's value that it should equal, and what one unit of mean square distance costs. */
export interface NoiseTerm {
  readonly own: string
  readonly teacher: string
  readonly weight: number
}

/**
 * Σ weight · mean square distance to the teacher. With weights of 1/(mean square distance at the start) its gradient there is
 * that of the mean SQNR of the outputs, whatever their scales.
 */
export function outputNoise(terms: readonly NoiseTerm[]): LossTerm {
  return {
    name: 'noise of the outputs',
    weight: 1,
    build: ({ g, value, teacher, sampleWeight }) => {
      const parts = terms.map(({ own, teacher: name, weight }) => {
        const gap = g.minus(value(own), teacher(name, own))
        return g.scaled(meanOfSamples(g, g.times(gap, gap), sampleWeight(), own), weight)
      })
      const [first, ...others] = parts
      if (first === undefined) throw new UnsupportedError('a loss on the noise of outputs needs an output')
      return others.reduce((sum, part) => g.plus(sum, part), first)
    },
  }
}
