// The recipe of `analyze`: an option is a line here.
import * as z from 'zod'
import type { RecipeOf } from './meta.ts'
import { quantize } from './quantize.ts'
import { run, version, withoutVal } from './shared.ts'

const { weights, weightBits, keep8bit, activationType, range, target, exclude, only, overrides } = quantize.shape

export const analyze = z.strictObject({
  version,
  command: z.literal('analyze'),
  ...withoutVal.shape,
  samples: run.shape.samples.meta({
    description: 'samples that ranges are taken from; a quarter of them is kept to measure noise',
    placeholder: 'n',
  }),
  weights,
  weightBits,
  keep8bit,
  activationType,
  range,
  overrides,
  target,
  exclude,
  only,
})

export type AnalyzeRecipe = RecipeOf<typeof analyze>
