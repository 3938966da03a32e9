// The recipe of `check`: an option is a line here.
import * as z from 'zod'
import type { RecipeOf } from './meta.ts'
import { allSamples, metric, version, withoutVal } from './shared.ts'

export const check = z.strictObject({
  version,
  command: z.literal('check'),
  ...withoutVal.shape,
  model: z.string().meta({ description: 'the model as it was', placeholder: 'file', argument: true }),
  other: z.string().meta({ description: 'the new model', placeholder: 'file', argument: true }),
  data: z.string().meta({ description: 'samples, labelled or not', placeholder: 'path' }),
  samples: allSamples,
  metric,
  maxDrop: z.number().exactOptional().meta({
    description:
      'most that the metric may lose, 0.01 for one point of a share: samples are taken until that is shown or refuted at 95 %',
    placeholder: 'x',
  }),
  minAgreement: z.number().min(0).max(1).exactOptional().meta({
    description: 'least share of samples on which both models choose the same class',
    placeholder: 'share',
  }),
  minSqnr: z.number().exactOptional().meta({ description: 'least SQNR of the worst output in dB', placeholder: 'dB' }),
  maxBytes: z.int().positive().exactOptional().meta({
    description: 'most bytes of the new file',
    placeholder: 'n',
  }),
  maxSize: z.number().positive().exactOptional().meta({
    description: 'most bytes of the new file as a multiple of the old one: 1.05 is 5 % more',
    placeholder: 'ratio',
  }),
  maxLatency: z.number().positive().exactOptional().meta({
    description: 'longest run of the new model as a multiple of the old one: 1.1 is 10 % more',
    placeholder: 'ratio',
  }),
  allowUndecided: z.boolean().default(false).describe('let pass what too few samples can neither show nor refute'),
  markdown: z.string().exactOptional().meta({
    description: 'writes a summary for a pull request, whatever the outcome',
    placeholder: 'file',
  }),
})

export type CheckRecipe = RecipeOf<typeof check>
