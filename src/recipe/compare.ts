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
  deep: z
    .boolean()
    .default(false)
    .describe('run the second model layer by layer beside its simulation, in every runtime at hand'),
  repair: z.string().exactOptional().meta({
    description: 'with --deep: writes the second model with what gives other answers elsewhere stored in another way',
    placeholder: 'file',
  }),
  proof: z.boolean().default(false).describe('with --deep: write what was found beside the second model, for verify'),
})

export type CompareRecipe = RecipeOf<typeof compare>
