// From squares of a value to their mean over the samples that count.
import { UnsupportedError } from '../../base/index.ts'
import type { Emitter } from '../graph/emitter.ts'

/**
 * The mean over the samples that count. A single sample needs no axis of samples: recurrent states have none in front. Samples lie
 * along the first axis, or, where that is time, along the second.
 * @throws UnsupportedError when they lie nowhere
 */
export function meanOfSamples(g: Emitter, squares: string, sampleWeight: string, name: string): string {
  const dims = g.dims(squares)
  const batch = g.dims(sampleWeight)[0] ?? 1
  if (batch === 1) return g.mean(g.reshape(squares, [g.size(squares)]), [0])
  const first = (dims[0] ?? 0) % batch === 0
  if (!first && dims[1] !== batch)
    throw new UnsupportedError(
      `the loss on "${name}" needs one row a sample: its shape is [${dims}] for ${batch} samples`,
      { tensor: name },
    )
  const inRows = first ? squares : g.transpose(squares, [1, 0, ...dims.slice(2).map((_, i) => i + 2)])
  const rows = g.mean(g.reshape(inRows, [batch, g.size(squares) / batch]), [1])
  return g.over(g.sum(g.times(rows, sampleWeight), [0]), g.sum(sampleWeight, [0]))
}
