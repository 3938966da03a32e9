// The recipe of `rewrite`: an option is a line here.
import * as z from 'zod'
import type { RecipeOf } from './meta.ts'
import { externalData, output, version, withoutVal } from './shared.ts'
import { passNames } from './words.ts'

export const rewrite = z.strictObject({
  version,
  command: z.literal('rewrite'),
  ...withoutVal.shape,
  data: z.string().default('random').meta({ description: 'samples to check on', placeholder: 'path' }),
  passes: z
    .array(z.enum(passNames))
    .default([])
    .meta({
      description: 'passes',
      placeholder: 'names',
      usual: 'all that keep the function exactly',
      formerly: { 'lift-opset': 'convert-opset' },
    }),
  output: output('<model>.float.onnx'),
  externalData,
})

export type RewriteRecipe = RecipeOf<typeof rewrite>
