// The recipe of `variants`: an option is a line here.
import * as z from 'zod'
import type { RecipeOf } from './meta.ts'
import { run, version } from './shared.ts'
import { variantDtypes } from './words.ts'

export const variants = z.strictObject({
  version,
  command: z.literal('variants'),
  ...run.shape,
  model: z.string().meta({
    description: 'an .onnx file, or a Hugging Face folder with its onnx/ as it is',
    placeholder: 'file',
    argument: true,
  }),
  data: z
    .string()
    .default('random')
    .meta({
      ...run.shape.data.meta(),
      description: `${run.shape.data.meta()?.description}; a folder may hold one of them for each graph, by its name`,
      usual: 'random: nothing is fitted to it, and its figures mean little',
    }),
  samples: z.int().positive().exactOptional().meta({
    description: 'samples to calibrate on, evenly spaced',
    placeholder: 'n',
    usual: '64; 128 with 4 bits and for float16',
  }),
  dtypes: z
    .array(z.enum(variantDtypes))
    .min(1)
    .default(['q8', 'q4', 'q4f16', 'fp16'])
    .meta({ description: 'what to write, by the words that transformers.js has for it', placeholder: 'names' }),
  effort: z.enum(['fast', 'default', 'high']).default('default').meta({
    description: 'of each quantisation: fast tries no technique, high rounds by second order',
    placeholder: 'effort',
  }),
  minSqnr: z.number().default(10).meta({
    description: 'a file whose worst output has a lower SQNR in dB is not written',
    placeholder: 'dB',
  }),
  output: z.string().exactOptional().meta({
    description: 'folder whose onnx/ gets the files, with config and tokenizer beside it',
    placeholder: 'dir',
    short: 'o',
    usual: 'the folder of the model',
  }),
})

export type VariantsRecipe = RecipeOf<typeof variants>
