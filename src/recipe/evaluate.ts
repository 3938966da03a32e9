// The recipe of `evaluate`: an option is a line here.
import * as z from 'zod'
import type { RecipeOf } from './meta.ts'
import { allSamples, metric, version, withoutVal } from './shared.ts'

export const evaluate = z.strictObject({
  version,
  command: z.literal('evaluate'),
  ...withoutVal.shape,
  data: z.string().meta({ description: 'labelled samples', placeholder: 'path' }),
  samples: allSamples,
  metric: z
    .string()
    .default('top1')
    .meta({ ...metric.meta(), usual: 'top1' }),
})

export type EvaluateRecipe = RecipeOf<typeof evaluate>
