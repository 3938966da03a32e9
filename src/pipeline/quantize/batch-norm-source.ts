// BatchNormalization's statistics as a source: they stand for samples where there are none.
import type { Bounds } from '../../onnx/index.ts'
import { statisticsWithoutData } from '../../quantize/index.ts'
import type { Form } from './candidate.ts'
import type { Source } from './technique.ts'

/** Deviations that a range holds: with corrected biases a closer one is better. */
const DEVIATIONS = { corrected: 4, plain: 6 }

/**
 * Nothing is judged: there is nothing to judge with.
 * @param inputs what each graph input holds, from the preprocessing
 * @param corrects biases are corrected by formula
 * @throws UnsupportedError when the model has no BatchNormalization, or a range stays unknown
 */
export function batchNormSource(inputs: ReadonlyMap<string, readonly Bounds[]>, corrects: boolean): Source {
  const deviations = corrects ? DEVIATIONS.corrected : DEVIATIONS.plain
  const of = ({ float, statistics, seen: { shapes } }: Form, wanted: readonly string[]) =>
    statisticsWithoutData(float, statistics, { shapes, deviations, inputs, wanted })
  return {
    judges: false,
    proves: 'random',
    notes: [
      `no samples: ranges are mean ± ${deviations} deviations of BatchNormalization's statistics, which know nothing of the inputs that the model will see`,
    ],
    ranges: (form) => (wanted) => of(form, wanted).tensors,
    channels: async (form) => of(form, []).channels,
    attempt: (technique, candidate, context) => technique.attempt(candidate, context),
  }
}
