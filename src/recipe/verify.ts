// The recipe of `verify`: an option is a line here.
import * as z from 'zod'
import type { RecipeOf } from './meta.ts'
import { run, version } from './shared.ts'

export const verify = z.strictObject({
  version,
  command: z.literal('verify'),
  model: z.string().meta({
    description: 'a model with its proof beside it (compare --deep --proof)',
    placeholder: 'file',
    argument: true,
  }),
  data: z.string().exactOptional().meta({
    description: 'where the samples of the proof lie here',
    placeholder: 'path',
    usual: 'where they were',
  }),
  threads: run.shape.threads,
})

export type VerifyRecipe = RecipeOf<typeof verify>
