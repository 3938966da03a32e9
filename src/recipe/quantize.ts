// The recipe of `quantize`: an option is a line here.
import * as z from 'zod'
import type { RecipeOf } from './meta.ts'
import { externalData, metric, output, patterns, run, target, version, weights } from './shared.ts'
import {
  activationTypes,
  encodingForms,
  rangeMethods,
  type TargetName,
  techniqueNames,
  usualActivations,
} from './words.ts'

/** Samples of a quantisation that tunes biases, unless somebody says how many: most of them are new to all other steps. */
export const TUNING_SAMPLES = 384

const WEIGHTS = 'with --mode weights'

export const quantize = z.strictObject({
  version,
  command: z.literal('quantize'),
  ...run.shape,
  data: z.string().meta({
    description: 'samples: image folder, JSON description, .npy, idx, .mjs module, "random" or "none"',
    placeholder: 'path',
  }),
  samples: z
    .int()
    .positive()
    .default(64)
    .meta({
      description: 'samples to calibrate on, evenly spaced',
      placeholder: 'n',
      usual: `64; 128 with 4 bits, ${TUNING_SAMPLES} with --tune bias`,
    }),
  weights,
  weightBits: z.literal([8, 4]).default(8).meta({ description: 'bits of the weights', placeholder: 'n' }),
  weightStorage: z.enum(['int8', 'int4', 'float16', 'bfloat16']).default('int8').meta({
    description:
      'what 4-bit codes are stored in: int8 keeps integer kernels, int4 is half the size and computes in float; with --mode float16 a type for storage alone',
    placeholder: 'type',
  }),
  keep8bit: z.array(z.string()).default(['first', 'last', 'depthwise']).meta({
    description: 'with 4 bits: layers that keep 8; first, last, depthwise, none or patterns',
    placeholder: 'pattern',
  }),
  embeddings: z.literal([8, 4, 'float']).default(8).meta({
    description:
      'tables whose rows are picked by index: 8 bits with a scale for each row, 4 in blocks (with --mode weights), or float',
    placeholder: 'bits',
  }),
  activationType: z
    .enum(activationTypes)
    .default('uint8')
    .meta({
      description: 'type of the activations',
      placeholder: 'type',
      usual: `uint8; ${Object.entries(usualActivations)
        .map(([target, type]) => `${type} for ${target}`)
        .join(', ')}`,
    }),
  range: z
    .enum(rangeMethods)
    .default('minmax')
    .meta({ description: 'how activation ranges are chosen', placeholder: 'method' }),
  mode: z.enum(['static', 'dynamic', 'weights', 'float16']).default('static').meta({
    description:
      'static: weights and activations in integers; dynamic: matrix products by the range of each run; weights: a smaller file only; float16: half the size',
    placeholder: 'mode',
  }),
  block: z
    .literal([16, 32, 64, 128])
    .exactOptional()
    .meta({
      description: `${WEIGHTS}: weights of a matrix product that share a scale and a zero point`,
      placeholder: 'n',
      usual: '32 with 4 bits, 64 as bnb4; with 8 a scale for each channel',
    }),
  weightForm: z.enum(['matmul-nbits', 'bnb4', 'onnx']).default('matmul-nbits').meta({
    description:
      "blocks as ONNX Runtime's MatMulNBits, as its MatMulBnb4 (4-bit NormalFloat), or in plain ONNX: DequantizeLinear of opset 21",
    placeholder: 'form',
  }),
  rounding: z.enum(['plain', 'hqq', 'gptq']).exactOptional().meta({
    description:
      'how codes of blocks are chosen: the nearest, with ranges by half-quadratic splitting, by second order',
    placeholder: 'how',
    usual: 'with 4 bits gptq where it is better',
  }),
  accuracyLevel: z.literal([0, 1, 2, 3, 4]).default(0).meta({
    description: 'of MatMulNBits: 4 rounds activations to 8 bits inside the kernel, the others do not',
    placeholder: 'n',
  }),
  maxBytes: z
    .int()
    .positive()
    .exactOptional()
    .meta({
      description: `${WEIGHTS} in blocks: layers keep 8 bits where they help most, as far as the file stays below`,
      placeholder: 'bytes',
    }),
  minSqnr: z.number().exactOptional().meta({
    description:
      'least SQNR of the worst output in dB: bits are raised where they matter until that is kept, or nothing is written',
    placeholder: 'dB',
  }),
  minAgreement: z.number().min(0).max(1).exactOptional().meta({
    description: 'the same for the share of samples on which both models choose alike',
    placeholder: 'share',
  }),
  maxDrop: z.number().exactOptional().meta({
    description: 'the same for what the metric may lose, 0.01 for one point of a share, at 95 %',
    placeholder: 'x',
  }),
  float16: z.boolean().default(false).describe(`${WEIGHTS}: what is left computes in float16`),
  ioType: z
    .enum(['float32', 'float16'])
    .default('float32')
    .meta({ description: 'in float16: type of the inputs and outputs that are float32', placeholder: 'type' }),
  effort: z.enum(['fast', 'default', 'high']).default('default').meta({
    description: 'fast tries and measures nothing, high rounds by second order and scores all',
    placeholder: 'effort',
  }),
  techniques: z
    .array(z.enum([...techniqueNames, 'none']))
    .exactOptional()
    .meta({ description: 'what to try', placeholder: 'names', usual: 'those of the effort' }),
  tune: z
    .literal('bias')
    .exactOptional()
    .meta({ description: 'a last step: train the biases, without labels', placeholder: 'what' }),
  keep: z
    .enum(['if-better', 'always'])
    .default('if-better')
    .meta({ description: 'whether a technique stays that does not help', placeholder: 'rule' }),
  clip: z
    .enum(['hold', 'exact', 'auto'])
    .default('hold')
    .meta({ description: 'caps under equalisation: hold (nothing added), exact or auto', placeholder: 'form' }),
  target: target('what the file must run on'),
  prefer: z.enum(['speed', 'size', 'accuracy']).default('size').meta({
    description:
      'speed: what is faster in float on this machine stays float, all of it where integers gain nothing; accuracy: what costs most of it stays float, whatever that costs',
    placeholder: 'what',
  }),
  batch: z
    .int()
    .positive()
    .default(1)
    .meta({ description: 'with --prefer speed: samples in the runs that are timed', placeholder: 'n' }),
  force: z.boolean().default(false).describe('write the quantised file even when it is neither smaller nor faster'),
  exclude: patterns('nodes that stay float: name, operator, glob or /regex/'),
  only: patterns('only these nodes'),
  overrides: z
    .union([
      z.string(),
      z.record(
        z.string(),
        z.strictObject({
          float: z.boolean().exactOptional(),
          range: z.tuple([z.number(), z.number()]).exactOptional(),
          symmetric: z.boolean().exactOptional(),
          type: z.enum(['uint8', 'int8', 'uint16', 'int16', 'int4']).exactOptional(),
        }),
      ),
    ])
    .exactOptional()
    .meta({
      description:
        'what single tensors get: a JSON file of names or patterns → { float, range: [low, high], symmetric, type }',
      placeholder: 'file',
    }),
  encodings: z.enum(encodingForms).exactOptional().meta({
    description:
      "beside the model: its grids as AIMET's encodings (aimet: version 1.0.0, aimet-2: 2.0.0), and the float model that they are of",
    placeholder: 'form',
  }),
  encodingsFrom: z
    .union([z.string(), z.record(z.string(), z.unknown())])
    .exactOptional()
    .meta({
      description: "take grids from AIMET's encodings instead of finding them; samples then only measure",
      placeholder: 'file',
    }),
  metric,
  statistics: z
    .union([z.string(), z.record(z.string(), z.unknown())])
    .exactOptional()
    .meta({
      description: 'instead of samples: statistics.json of an earlier run, for the same bytes again',
      placeholder: 'file',
    }),
  output: output('<model>.int8.onnx'),
  externalData,
})

export type QuantizeRecipe = RecipeOf<typeof quantize>

/** The type of values that is usual for the target. */
export function usualType(given: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const target = given['target']
  if (typeof target !== 'string' || !Object.hasOwn(usualActivations, target)) return {}
  return { activationType: usualActivations[target as TargetName] }
}

/**
 * What depends on other fields. Stored statistics and encodings take the place of samples: nobody needs to say that there are none. 4-bit
 * weights are refitted, which has many unknowns: that takes twice the samples, and six times where biases are trained, which
 * those that nothing else was fitted to teach most.
 */
export function completeQuantize(given: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const samples = given['tune'] === 'bias' ? TUNING_SAMPLES : given['weightBits'] === 4 ? 128 : undefined
  return {
    ...usualType(given),
    ...('statistics' in given || 'encodingsFrom' in given ? { data: 'none' } : {}),
    ...(samples === undefined ? {} : { samples }),
    ...given,
  }
}
