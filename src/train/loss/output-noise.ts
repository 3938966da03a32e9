// The noise of quantisation at all outputs together: what a mean SQNR judges, as a loss.
import { UnsupportedError } from '../../base/index.ts'
import type { Emitter } from '../graph/emitter.ts'
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

/** The mean over the samples that count. A single sample needs no axis of samples: recurrent states have none in front. */
function meanOfSamples(g: Emitter, squares: string, sampleWeight: string, name: string): string {
  const dims = g.dims(squares)
  const batch = g.dims(sampleWeight)[0] ?? 1
  if (batch === 1) return g.mean(g.reshape(squares, [g.size(squares)]), [0])
  if (dims[0] !== batch)
    throw new UnsupportedError(
      `the loss on "${name}" needs one row a sample: its shape is [${dims}] for ${batch} samples`,
      { tensor: name },
    )
  const rows = g.mean(g.reshape(squares, [batch, g.size(squares) / batch]), [1])
  return g.over(g.sum(g.times(rows, sampleWeight), [0]), g.sum(sampleWeight, [0]))
}
