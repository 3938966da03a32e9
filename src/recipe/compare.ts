// The recipe of `compare`: an option is a line here.
import * as z from 'zod'
import type { RecipeOf } from './meta.ts'
import { allSamples, metric, version, withoutVal } from './shared.ts'

export const compare = z.strictObject({
  version,
  command: z.literal('compare'),
  ...withoutVal.shape,
  model: z.string().meta({ description: 'the first model', placeholder: 'file', argument: true }),
  data: z.string().meta({ description: 'samples, labelled or not', placeholder: 'path' }),
  samples: allSamples,
  metric,
  other: z.string().meta({ description: 'the second model', placeholder: 'file', argument: true }),
})

export type CompareRecipe = RecipeOf<typeof compare>
