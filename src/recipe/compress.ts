// The recipe of `compress`: an option is a line here.
import * as z from 'zod'
import type { RecipeOf } from './meta.ts'
import { externalData, output, run, version } from './shared.ts'

/** Shares of what the original has; several give several points. */
const shares = (description: string) =>
  z
    .array(z.number().positive().max(1))
    .exactOptional()
    .meta({ description: `${description}; several, comma-separated, give a curve`, placeholder: 'ratios' })

export const compress = z.strictObject({
  version,
  command: z.literal('compress'),
  ...run.shape,
  samples: z
    .int()
    .positive()
    .default(384)
    .meta({ description: 'samples that the fits see, evenly spaced', placeholder: 'n' }),
  macs: shares('multiply-accumulates that may be left, as a share'),
  bytes: shares('parameter bytes that may be left, as a share'),
  latency: shares('time that may be left, as a share, measured on this machine'),
  maxDrop: z.number().positive().max(1).exactOptional().meta({
    description: 'largest drop of the metric (0.01 is one point): the smallest model that keeps it',
    placeholder: 'share',
  }),
  manual: z.string().exactOptional().meta({
    description: 'instead of a budget, a JSON file: layer → rank, share, "keep" or { split, rank } or { channels }',
    placeholder: 'file',
  }),
  method: z
    .enum(['spatial-svd', 'weight-svd', 'prune', 'auto'])
    .default('auto')
    .meta({ description: 'how layers are made smaller', placeholder: 'method' }),
  keepDead: z.boolean().default(false).describe('leave channels that never change where they are'),
  order: z
    .enum(['backward', 'lasso', 'energy', 'magnitude'])
    .default('backward')
    .meta({ description: 'in which order channels are pruned', placeholder: 'order' }),
  select: z
    .enum(['knapsack', 'greedy'])
    .default('knapsack')
    .meta({ description: 'how ratios are chosen', placeholder: 'search' }),
  loss: z.enum(['error', 'kl', 'metric']).default('error').meta({
    description:
      'what the search minimises: closed-form errors, or the measured divergence or metric with one layer compressed',
    placeholder: 'loss',
  }),
  multiple: z.int().positive().default(1).meta({
    description: 'ranks are multiples of this',
    placeholder: 'n',
    usual: '1; with --latency the block of the CPU',
  }),
  layerTimes: z
    .boolean()
    .default(false)
    .describe('with --latency: time the layers one by one on this machine and choose by that'),
  monotone: z
    .boolean()
    .default(false)
    .describe('make measured losses rise with strength before choosing (isotonic regression)'),
  keepLayer: z
    .array(z.string())
    .default([])
    .meta({ description: 'a layer that stays exactly as it is', placeholder: 'name' }),
  plain: z.boolean().default(false).describe('split by the weights alone, without data'),
  force: z.boolean().default(false).describe('write the model even when it no longer does its job'),
  finetune: z.int().positive().exactOptional().meta({
    description: 'train the result, with the original as teacher: <output>.tuned.onnx',
    placeholder: 'epochs',
  }),
  // biome-ignore lint/suspicious/noThenProperty: the word of the command line; a recipe is never awaited
  then: z
    .enum(['quantize'])
    .exactOptional()
    .meta({ description: 'what to do with the result', placeholder: 'command' }),
  output: output('<model>.macs50.onnx'),
  externalData,
})

export type CompressRecipe = RecipeOf<typeof compress>
