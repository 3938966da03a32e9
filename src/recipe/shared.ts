// Fields that several commands have.
import * as z from 'zod'
import type { RecipeOf } from './meta.ts'
import { metricNames, targetNames } from './words.ts'

export const version = z.literal(1).default(1)

const sources = 'folder of images or .wav, JSON description, .npy, idx, sentences (.txt, .csv, .jsonl), .mjs module'

/** The model, and its samples: where they come from and what happens to them. Every command has these. */
export const run = z.strictObject({
  model: z.string().meta({ description: 'an .onnx file', placeholder: 'file', argument: true }),
  data: z.string().meta({ description: `samples: ${sources}, or "random"`, placeholder: 'path' }),
  samples: z
    .int()
    .positive()
    .default(64)
    .meta({ description: 'samples that are read, evenly spaced', placeholder: 'n' }),
  labels: z.string().exactOptional().meta({
    description: 'labels: a CSV (file,label), a JSON object, one label a line, or next-token',
    placeholder: 'file',
    usual: 'those of the samples',
  }),
  val: z.string().exactOptional().meta({
    description: 'separate samples for scoring',
    placeholder: 'path',
    usual: 'a quarter of the samples is kept',
  }),
  preprocess: z
    .union([z.string(), z.record(z.string(), z.unknown())])
    .exactOptional()
    .meta({
      description: 'preset (imagenet, inception, caffe, unit, raw255) or a JSON file',
      placeholder: 'preset|file',
    }),
  tokenizer: z.string().exactOptional().meta({
    description: 'for sentences: a Hugging Face folder with a tokenizer.json, or that file',
    placeholder: 'path',
    usual: 'beside the model or above it',
  }),
  processor: z.string().exactOptional().meta({
    description: 'for sounds: a Hugging Face folder with a preprocessor_config.json',
    placeholder: 'path',
    usual: 'beside the model or above it',
  }),
  exif: z.boolean().default(false).describe('turn pictures as their EXIF orientation says'),
  seed: z.int().default(0).meta({ description: 'seed of everything random', placeholder: 'n' }),
  shape: z
    .record(z.string(), z.array(z.int().positive()))
    .default({})
    .meta({ description: 'dims for an input with free ones, as x:1x3x224x224', placeholder: 'name:dims' }),
  threads: z
    .int()
    .positive()
    .exactOptional()
    .meta({ description: 'threads of ONNX Runtime', placeholder: 'n', usual: 'all cores' }),
})

/** The same for commands that fit nothing: all samples may be scored. */
export const withoutVal = run.omit({ val: true })

/** Samples of commands that take all there are. */
export const allSamples = z
  .int()
  .positive()
  .exactOptional()
  .meta({ description: 'at most this many, evenly spaced', placeholder: 'n', usual: 'all' })

/** The metric, where labels can be scored; the caller says what happens without. */
export const metric = z
  .string()
  .exactOptional()
  .meta({
    description: `${metricNames.join(', ')}, or a module of your own (FILE.mjs)`,
    placeholder: 'name',
    usual: 'the usual one of the labels',
  })

/** Where the model is written. */
export const output = (usual: string) =>
  z.string().exactOptional().meta({ description: 'the written model', placeholder: 'file', short: 'o', usual })

/** Where its weights are written. */
export const externalData = z
  .string()
  .regex(/^(all|none|\d+(\.\d+)? ?([kMG]B?|B)?)$/)
  .exactOptional()
  .meta({
    description:
      'weights in one data file beside the model (<output>.data): all of them, none, or those of a size (1024, 1MB) and more',
    placeholder: 'all|none|size',
    usual: 'above 1.5 GB those of 1 KB and more',
  })

export const weights = z
  .enum(['per-channel', 'per-tensor'])
  .default('per-channel')
  .meta({ description: 'grid of the weights', placeholder: 'grid' })

export const weightStorage = z.enum(['int8', 'int4']).default('int8').meta({
  description:
    'what 4-bit codes are stored in: int8 keeps integer kernels, int4 is half the size and computes in float',
  placeholder: 'type',
})

/** What a quantised file must run on. */
export const target = (description: string) =>
  z.enum(targetNames).default(targetNames[0]).meta({ description, placeholder: 'name' })

/** Patterns of nodes. */
export const patterns = (description: string) =>
  z.array(z.string()).default([]).meta({ description, placeholder: 'pattern' })

/** What every recipe says about its samples. */
export type SampleRecipe = Pick<
  RecipeOf<typeof run>,
  'model' | 'data' | 'labels' | 'preprocess' | 'tokenizer' | 'processor' | 'exif' | 'seed' | 'shape'
>
