// What a training notes beside its figures.
import type { Closeness, Parameter, TrainableModel, Tuned } from '../../train/index.ts'

/** What is said where training made nothing better. */
export function notBetterNote(tuned: Tuned, qat: boolean): string {
  return `training made nothing better on the held-back samples${judgedWords(tuned)}: the result is the ${qat ? 'quantised model before training' : 'model as it came'}`
}

/** How the two stood on the samples that judged, in brackets; '' where they were judged by a score. */
function judgedWords({ judged }: Tuned): string {
  if (!judged) return ''
  const of = ({ kl, db }: Closeness) => `${kl === undefined ? '' : `KL ${kl.toPrecision(2)}, `}SQNR ${db.toFixed(1)} dB`
  return ` (${judged.samples} samples: ${of(judged.before)} before, ${of(judged.after)} after)`
}

/** How many layers were trained. */
export interface TrainedLayers {
  readonly trained: number
  /** Layers that were asked for. */
  readonly asked: number
  /** Their names that stayed as they are, because the loss does not depend on them. */
  readonly untrained: readonly string[]
}

/** Counts the layers with parameters that are trained. */
export function trainedLayers({ graph }: TrainableModel): TrainedLayers {
  const names = (list: readonly Parameter[]) =>
    new Set(list.filter(({ kind }) => kind !== 'scale').map(({ node }) => node))
  const trained = names(graph.parameters)
  const untrained = [...names(graph.untrained)].filter((node) => !trained.has(node))
  return { trained: trained.size, asked: trained.size + untrained.length, untrained }
}

/** How a step is made of runs of a model whose batch is fixed. */
export function batchNote(batch: number, each: number): string {
  const runs = batch / each
  return `the model takes ${each} sample${each === 1 ? '' : 's'} at a time; a step is ${runs === 1 ? 'one run' : `the gradients of ${runs} runs`}`
}
