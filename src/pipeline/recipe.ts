// A run as JSON: command-line options are shorthand for a recipe, and a recipe can be run again to the same bytes.
import { z } from 'zod'
import { didYouMean, InputError } from '../base/index.ts'
import { targets as runTargets } from '../quantize/index.ts'
import type { FinetuneKeys } from './finetune-recipe.ts'
import { TUNING_SAMPLES } from './quantize/technique-names.ts'

const data = {
  model: z.string(),
  data: z.string(),
  samples: z.int().positive().default(64),
  labels: z.string().exactOptional(),
  val: z.string().exactOptional(),
  preprocess: z.union([z.string(), z.record(z.string(), z.unknown())]).exactOptional(),
  exif: z.boolean().default(false),
  seed: z.int().default(0),
  shape: z.record(z.string(), z.array(z.int().positive())).default({}),
  threads: z.int().positive().exactOptional(),
}

const target = z.enum(runTargets.map(({ name }) => name)).default(runTargets[0].name)

const quantize = z.strictObject({
  version: z.literal(1).default(1),
  command: z.literal('quantize'),
  ...data,
  weights: z.enum(['per-channel', 'per-tensor']).default('per-channel'),
  weightBits: z.union([z.literal(8), z.literal(4)]).default(8),
  weightStorage: z.enum(['int8', 'int4']).default('int8'),
  keep8bit: z.array(z.string()).default(['first', 'last', 'depthwise']),
  embeddings: z.union([z.literal(8), z.literal('float')]).default(8),
  activationType: z.enum(['uint8', 'int8', 'uint16', 'int16']).default('uint8'),
  range: z.enum(['minmax', 'percentile', 'mse', 'sqnr', 'entropy']).default('minmax'),
  mode: z.enum(['static', 'weights']).default('static'),
  block: z.union([z.literal(16), z.literal(32), z.literal(64), z.literal(128)]).default(32),
  rounding: z.enum(['plain', 'gptq']).exactOptional(),
  accuracyLevel: z.union([z.literal(0), z.literal(4)]).default(0),
  effort: z.enum(['fast', 'default', 'high']).default('default'),
  techniques: z.array(z.string()).exactOptional(),
  tune: z.literal('bias').exactOptional(),
  keep: z.enum(['if-better', 'always']).default('if-better'),
  clip: z.enum(['hold', 'exact', 'auto']).default('hold'),
  target,
  exclude: z.array(z.string()).default([]),
  only: z.array(z.string()).default([]),
  metric: z.string().exactOptional(),
  statistics: z.union([z.string(), z.record(z.string(), z.unknown())]).exactOptional(),
  output: z.string().exactOptional(),
})

const rewrite = z.strictObject({
  version: z.literal(1).default(1),
  command: z.literal('rewrite'),
  ...data,
  data: z.string().default('random'),
  passes: z.array(z.string()).default([]),
  output: z.string().exactOptional(),
})

const evaluate = z.strictObject({
  version: z.literal(1).default(1),
  command: z.literal('evaluate'),
  ...data,
  samples: z.int().positive().exactOptional(),
  metric: z.string().default('top1'),
})

const compare = z.strictObject({
  version: z.literal(1).default(1),
  command: z.literal('compare'),
  ...data,
  samples: z.int().positive().exactOptional(),
  metric: z.string().exactOptional(),
  other: z.string(),
})

const finetune = z.strictObject({
  version: z.literal(1).default(1),
  command: z.literal('finetune'),
  ...data,
  samples: z.int().positive().exactOptional(),
  epochs: z.int().positive().exactOptional(),
  lr: z.number().positive().exactOptional(),
  batch: z.int().positive().default(32),
  loss: z.enum(['cross-entropy', 'distill', 'mse']).exactOptional(),
  lossGraph: z.string().exactOptional(),
  match: z.array(z.string()).default([]),
  matchWeight: z.number().positive().default(1),
  teacher: z.string().exactOptional(),
  alpha: z.number().min(0).max(1).exactOptional(),
  temperature: z.number().positive().exactOptional(),
  smoothing: z.number().min(0).max(1).default(0),
  train: z.enum(['biases', 'weights', 'all', 'last']).default('all'),
  only: z.array(z.string()).default([]),
  batchNorm: z.enum(['frozen', 'training']).exactOptional(),
  fromScratch: z.boolean().default(false),
  optimizer: z.enum(['adam', 'adamw', 'muon', 'sgd', 'momentum', 'nesterov']).default('adam'),
  schedule: z.enum(['constant', 'cosine', 'step']).default('cosine'),
  warmUp: z.int().min(0).exactOptional(),
  decay: z.number().min(0).default(0),
  clipNorm: z.number().positive().exactOptional(),
  flip: z.boolean().default(false),
  shift: z.int().min(0).default(0),
  mix: z.boolean().default(false),
  holdBack: z.int().min(0).exactOptional(),
  patience: z.int().positive().exactOptional(),
  memory: z.number().positive().exactOptional(),
  qat: z.boolean().default(false),
  weights: z.enum(['per-channel', 'per-tensor']).default('per-channel'),
  weightBits: z.int().min(2).max(8).default(8),
  activationBits: z.union([z.literal(4), z.literal(8), z.literal(16)]).default(8),
  weightStorage: z.enum(['int8', 'int4']).default('int8'),
  keep8bit: z.array(z.string()).default([]),
  target,
  exclude: z.array(z.string()).default([]),
  calibrationSamples: z.int().positive().default(64),
  resume: z.boolean().default(false),
  output: z.string().exactOptional(),
})

const targets = z.array(z.number().positive()).exactOptional()

const compress = z.strictObject({
  version: z.literal(1).default(1),
  command: z.literal('compress'),
  ...data,
  samples: z.int().positive().default(384),
  macs: targets,
  bytes: targets,
  latency: targets,
  maxDrop: z.number().positive().exactOptional(),
  manual: z.string().exactOptional(),
  method: z.enum(['spatial-svd', 'weight-svd', 'prune', 'auto']).default('auto'),
  keepDead: z.boolean().default(false),
  order: z.enum(['backward', 'lasso', 'energy', 'magnitude']).default('backward'),
  select: z.enum(['knapsack', 'greedy']).default('knapsack'),
  loss: z.enum(['error', 'kl', 'metric']).default('error'),
  multiple: z.int().positive().default(1),
  layerTimes: z.boolean().default(false),
  monotone: z.boolean().default(false),
  keepLayer: z.array(z.string()).default([]),
  plain: z.boolean().default(false),
  force: z.boolean().default(false),
  finetune: z.int().positive().exactOptional(),
  // biome-ignore lint/suspicious/noThenProperty: the word of the command line; a recipe is never awaited
  then: z.literal('quantize').exactOptional(),
  output: z.string().exactOptional(),
})

const recipe = z.discriminatedUnion('command', [quantize, rewrite, evaluate, compare, compress, finetune])

/** What every recipe says about its samples. */
export interface SampleRecipe {
  /** Folder, description, file, module, or "random". */
  readonly data: string
  /** A file with labels, instead of those of the data set. */
  readonly labels?: string
  /** Name of a preset, path of a JSON file, or the preprocessing itself. */
  readonly preprocess?: string | Readonly<Record<string, unknown>>
  readonly exif: boolean
  readonly seed: number
  /** Shapes for free dimensions: input name → dims. */
  readonly shape: Readonly<Record<string, readonly number[]>>
}

interface RunRecipe extends SampleRecipe {
  readonly version: 1
  readonly model: string
  readonly threads?: number
  /** Separate samples for scoring. */
  readonly val?: string
}

export interface QuantizeRecipe extends RunRecipe {
  readonly command: 'quantize'
  /** Samples to calibrate on, evenly spaced over the sorted list. */
  readonly samples: number
  readonly weights: 'per-channel' | 'per-tensor'
  readonly weightBits: 8 | 4
  /** What 4-bit codes are stored in: int8 keeps the integer kernels, int4 is half the size and computes in float. */
  readonly weightStorage: 'int8' | 'int4'
  /** With 4 bits: layers that keep 8, `first`, `last`, `depthwise`, `none` or patterns. */
  readonly keep8bit: readonly string[]
  /** Bits of tables whose rows are picked by index, or float. */
  readonly embeddings: 8 | 'float'
  readonly activationType: 'uint8' | 'int8' | 'uint16' | 'int16'
  readonly range: 'minmax' | 'percentile' | 'mse' | 'sqnr' | 'entropy'
  readonly mode: 'static' | 'weights'
  /** Weights alone with 4 bits: weights that share a scale and a zero point. */
  readonly block: 16 | 32 | 64 | 128
  /** Weights alone with 4 bits: how codes are chosen; default: second order where held-back samples say that it is better. */
  readonly rounding?: 'plain' | 'gptq'
  /** Weights alone with 4 bits: 4 lets ONNX Runtime round activations to 8 bits inside, 0 computes in float. */
  readonly accuracyLevel: 0 | 4
  /** fast tries and measures nothing; high rounds by second order too, and scores every sample that is left. */
  readonly effort: 'fast' | 'default' | 'high'
  /** Techniques to try; absent: those of the effort. */
  readonly techniques?: readonly string[]
  /** A last rung that trains the biases, without labels. */
  readonly tune?: 'bias'
  /** always: the techniques are applied without asking whether they help. */
  readonly keep: 'if-better' | 'always'
  /** Caps of ReLU6 under equalisation: held as they are, or one for each channel (exact, an integer Min more). */
  readonly clip: 'hold' | 'exact' | 'auto'
  /** Name of the target: what the file must run on. */
  readonly target: string
  readonly exclude: readonly string[]
  readonly only: readonly string[]
  /** top1, top5, next-token, or a module; labels are scored by the usual one when absent. */
  readonly metric?: string
  /** Stored statistics instead of samples (`data: none`): a run's statistics.json by its path, or what it holds. */
  readonly statistics?: string | Readonly<Record<string, unknown>>
  readonly output?: string
}

export interface RewriteRecipe extends RunRecipe {
  readonly command: 'rewrite'
  readonly samples: number
  /** Empty: all, in default order. */
  readonly passes: readonly string[]
  readonly output?: string
}

export interface EvaluateRecipe extends RunRecipe {
  readonly command: 'evaluate'
  readonly samples?: number
  readonly metric: string
}

export interface CompareRecipe extends RunRecipe {
  readonly command: 'compare'
  readonly samples?: number
  readonly metric?: string
  /** The second model. */
  readonly other: string
}

export interface FinetuneRecipe extends RunRecipe, FinetuneKeys {}

export interface CompressRecipe extends RunRecipe {
  readonly command: 'compress'
  /** Samples that the fits see, evenly spaced over the sorted list. */
  readonly samples: number
  /** Wanted shares of what the original has, from 0 to 1; several give several points. Exactly one kind of budget. */
  readonly macs?: readonly number[]
  readonly bytes?: readonly number[]
  readonly latency?: readonly number[]
  /** Largest drop of the metric, as a share: the smallest model that keeps it. */
  readonly maxDrop?: number
  /** A JSON file of layer → { split, rank }, instead of a budget. */
  readonly manual?: string
  readonly method: 'spatial-svd' | 'weight-svd' | 'prune' | 'auto'
  /** Channels that never change stay too. */
  readonly keepDead: boolean
  /** In which order channels go, when they are pruned. */
  readonly order: 'backward' | 'lasso' | 'energy' | 'magnitude'
  readonly select: 'knapsack' | 'greedy'
  /** What the selection minimises: closed-form errors, or the measured divergence or metric with one layer compressed. */
  readonly loss: 'error' | 'kl' | 'metric'
  /** Ranks are multiples of this. */
  readonly multiple: number
  /** With a latency budget: choose by measured times of single layers, not by multiplications in whole blocks of channels. */
  readonly layerTimes: boolean
  /** Makes the losses of each layer rise with strength before the choice (isotonic regression): measured ones are noisy. */
  readonly monotone: boolean
  /** Layers that stay exactly as they are. */
  readonly keepLayer: readonly string[]
  /** Weights only: no data in the fits. */
  readonly plain: boolean
  /** Write the model even when it no longer does its job. */
  readonly force: boolean
  /** Epochs of training afterwards, with the original as teacher: `<output>.tuned.onnx`. */
  readonly finetune?: number
  readonly then?: 'quantize'
  readonly output?: string
}

export type Recipe = QuantizeRecipe | RewriteRecipe | EvaluateRecipe | CompareRecipe | CompressRecipe | FinetuneRecipe

/**
 * Checks a recipe and fills in the defaults.
 * @throws InputError naming the first field that is wrong
 */
export function parseRecipe(json: unknown, where = 'the recipe'): Recipe {
  const parsed = recipe.safeParse(withoutData(withSamples(json)))
  if (parsed.success) return parsed.data
  throw new InputError(`cannot use ${where}: ${problemOf(parsed.error.issues[0], json)}`)
}

/**
 * 4-bit weights are refitted, which has many unknowns: `quantize` takes twice the samples, and six times where biases are trained,
 * which those that nothing else was fitted to teach most, unless somebody says how many. A training takes all it gets.
 */
function withSamples(json: unknown): unknown {
  if (typeof json !== 'object' || json === null || 'samples' in json) return json
  if (!('command' in json && json.command === 'quantize')) return json
  if ('tune' in json && json.tune === 'bias') return { ...json, samples: TUNING_SAMPLES }
  return 'weightBits' in json && json.weightBits === 4 ? { ...json, samples: 128 } : json
}

/** Stored statistics take the place of samples: nobody needs to say that there are none. */
function withoutData(json: unknown): unknown {
  const stored = typeof json === 'object' && json !== null && 'statistics' in json && !('data' in json)
  return stored ? { ...json, data: 'none' } : json
}

function problemOf(issue: z.core.$ZodIssue | undefined, json: unknown): string {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return 'a recipe is an object { "command": … }'
  const commands = recipe.options.map((option) => option.shape.command.value)
  const given = 'command' in json ? json.command : undefined
  if (!commands.some((command) => command === given))
    return `its "command" is ${JSON.stringify(given) ?? 'missing'}, expected one of ${commands.join(', ')}`
  const field = issue?.path.join('.')
  if (issue?.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? ''
    const known = recipe.options.find((option) => option.shape.command.value === given)?.shape ?? {}
    return `${given} has no field "${key}"${didYouMean(key, Object.keys(known))}`
  }
  return `"${field}" is wrong: ${issue?.message ?? 'unknown reason'}`
}

/** The recipes of all commands as one JSON schema (`oneOf`, told apart by `command`): forms are made from it. */
export function recipeJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(recipe, { io: 'input' }) }
}

/** What a recipe of a command holds where nothing is said: field → value. */
export function recipeDefaults(command: Recipe['command']): Readonly<Record<string, unknown>> {
  const option = recipe.options.find(({ shape }) => shape.command.value === command)
  const shape: Readonly<Record<string, z.ZodType>> = option?.shape ?? {}
  const entries = Object.entries(shape).map(([name, field]) => [name, z.safeParse(field, undefined).data])
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}
