// The recipe of `finetune`: an option is a line here.
import * as z from 'zod'
import type { RecipeOf } from './meta.ts'
import { allSamples, externalData, output, patterns, run, target, version, weightStorage, weights } from './shared.ts'

const share = z.number().min(0).max(1)
const positive = z.number().positive()
const count = z.int().min(0)

export const finetune = z.strictObject({
  version,
  command: z.literal('finetune'),
  ...run.shape,
  data: z.string().meta({ description: 'samples to train on, labelled or not', placeholder: 'path' }),
  samples: allSamples,
  epochs: z
    .int()
    .positive()
    .exactOptional()
    .meta({ description: 'passes over the samples', placeholder: 'n', usual: '3; more of a small set, up to 100' }),
  lr: positive.exactOptional().meta({
    description: 'learning rate of the weights',
    placeholder: 'x',
    usual: "a share of each tensor's size: 0.003, twice that with a teacher for moved samples",
  }),
  batch: z.int().positive().default(32).meta({ description: 'samples a step', placeholder: 'n' }),
  loss: z
    .enum(['cross-entropy', 'distill', 'mse'])
    .exactOptional()
    .meta({ description: 'the loss', placeholder: 'name', usual: 'cross-entropy with labels, else distill' }),
  lossGraph: z
    .string()
    .exactOptional()
    .meta({ description: 'an ONNX file with a loss of your own', placeholder: 'file' }),
  match: z
    .array(z.string())
    .default([])
    .meta({ description: 'inner tensor kept near the teacher\'s, or "auto"', placeholder: 'value' }),
  matchWeight: positive.default(1).meta({ description: 'weight of inner tensors in the loss', placeholder: 'x' }),
  teacher: z
    .string()
    .exactOptional()
    .meta({ description: 'float model to learn from', placeholder: 'file', usual: 'the model before training' }),
  alpha: share
    .exactOptional()
    .meta({ description: "share of the labels' loss beside a teacher", placeholder: 'share', usual: '0.5' }),
  temperature: positive
    .exactOptional()
    .meta({ description: 'softens the distillation', placeholder: 'x', usual: '4 with --teacher, else 1' }),
  smoothing: share.default(0).meta({ description: 'smoothing of the labels', placeholder: 'share' }),
  train: z
    .enum(['biases', 'weights', 'all', 'last'])
    .default('all')
    .meta({ description: 'what is trained', placeholder: 'what' }),
  only: patterns('only these nodes'),
  lora: z.int().positive().exactOptional().meta({
    description: 'train low-rank adapters of the linear layers instead, merged when the file is written',
    placeholder: 'rank',
  }),
  adapters: z.string().exactOptional().meta({
    description: 'with --lora: the adapters alone, as a safetensors file beside the merged one',
    placeholder: 'file',
  }),
  batchNorm: z
    .enum(['frozen', 'training'])
    .exactOptional()
    .meta({ description: 'frozen or training', placeholder: 'mode', usual: 'frozen; from scratch training' }),
  fromScratch: z.boolean().default(false).describe('forget the weights: train from random ones'),
  optimizer: z
    .enum(['adam', 'adamw', 'muon', 'sgd', 'momentum', 'nesterov'])
    .default('adam')
    .meta({ description: 'the optimiser', placeholder: 'name' }),
  schedule: z
    .enum(['constant', 'cosine', 'step'])
    .default('cosine')
    .meta({ description: 'of the learning rate', placeholder: 'name' }),
  warmUp: count
    .exactOptional()
    .meta({ description: 'steps with a rising learning rate', placeholder: 'steps', usual: 'a twentieth' }),
  decay: z.number().min(0).default(0).meta({ description: 'weight decay', placeholder: 'x' }),
  clipNorm: positive
    .exactOptional()
    .meta({ description: 'longest gradient; longer ones are scaled down', placeholder: 'x' }),
  flip: z.boolean().default(false).describe('mirror pictures at random'),
  shift: count.default(0).meta({ description: 'move pictures at random, up to so many pixels', placeholder: 'pixels' }),
  mix: z.boolean().default(false).describe('blend samples with each other; for losses without labels'),
  holdBack: count.exactOptional().meta({
    description: 'samples that choose the best epoch',
    placeholder: 'n',
    usual: 'a tenth, 200 to 1000, else none',
  }),
  patience: z
    .int()
    .positive()
    .exactOptional()
    .meta({ description: 'stop after so many without a better score', placeholder: 'epochs' }),
  memory: positive
    .exactOptional()
    .meta({ description: 'memory that may be used', placeholder: 'MB', usual: 'what is free' }),
  qat: z.boolean().default(false).describe('train with quantised weights and activations; the result is a Q/DQ file'),
  weights,
  weightBits: z.int().min(2).max(8).default(8).meta({ description: 'with --qat: 2 to 8', placeholder: 'n' }),
  activationBits: z
    .literal([4, 8, 16])
    .default(8)
    .meta({ description: 'with --qat: bits of the activations', placeholder: 'n' }),
  weightStorage,
  keep8bit: patterns('layers that keep 8 bits: first, last, depthwise, or nodes'),
  target: target('with --qat: what the file must run on'),
  exclude: patterns('nodes that stay float'),
  calibrationSamples: z
    .int()
    .positive()
    .default(64)
    .meta({ description: 'samples for the first ranges', placeholder: 'n' }),
  resume: z.boolean().default(false).describe('go on from the checkpoint beside the output'),
  output: output('<model>.tuned.onnx, <model>.int8.onnx'),
  externalData,
})

export type FinetuneRecipe = RecipeOf<typeof finetune>
