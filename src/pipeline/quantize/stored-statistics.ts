// What a quantisation took from its samples, as JSON: enough to make the same file again, anywhere, without a sample.
import * as z from 'zod'
import { InputError } from '../../base/index.ts'
import { techniqueNames } from '../../recipe/index.ts'
import { CORRECTIONS, type StoredTensor, storedCorrectionsSchema, storedTensorSchema } from './evidence.ts'
import { EXPLICIT_BIASES } from './techniques/explicit-biases.ts'
import { techniquesOf } from './techniques/index.ts'

const evidence = z.strictObject({
  [EXPLICIT_BIASES]: z.literal(true).exactOptional(),
  [CORRECTIONS]: storedCorrectionsSchema.exactOptional(),
  ...Object.fromEntries(
    techniquesOf(techniqueNames).flatMap(({ name, evidence: own }) => (own ? [[name, own.exactOptional()]] : [])),
  ),
})

const schema = z.strictObject({
  kind: z.literal('onnxpress-statistics'),
  version: z.literal(2),
  inputs: z.record(z.string(), z.array(z.int().nonnegative())),
  preprocess: z.record(z.string(), z.unknown()).exactOptional(),
  minmaxValues: z.array(z.string()).exactOptional(),
  slowNodes: z.array(z.string()).exactOptional(),
  evidence,
  tensors: z.record(z.string(), storedTensorSchema),
})

/** `statistics.json` of a run folder, and the field `statistics` of a recipe. */
export interface StoredStatistics {
  readonly kind: 'onnxpress-statistics'
  readonly version: 2
  /** Dims of a sample, by input. */
  readonly inputs: Readonly<Record<string, readonly number[]>>
  /** The preprocessing of the samples, which goes into the written model. */
  readonly preprocess?: Readonly<Record<string, unknown>>
  /** Values that keep min-max, because another method's range costs too much. */
  readonly minmaxValues?: readonly string[]
  /** Nodes that are faster in float. */
  readonly slowNodes?: readonly string[]
  /** Technique → its evidence, for those that were kept; what corrections changed on the quantised model is one entry. */
  readonly evidence: Readonly<Record<string, unknown>>
  /** Activations of the float model that was quantised. */
  readonly tensors: Readonly<Record<string, StoredTensor>>
}

/** @throws InputError naming the first thing that is wrong */
export function parseStatistics(json: unknown, where: string): StoredStatistics {
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data as StoredStatistics
  const [issue] = parsed.error.issues
  throw new InputError(
    `cannot use the statistics of ${where}: "${issue?.path.join('.')}" is wrong (${issue?.message}); expected the statistics.json of a run of this version`,
    { file: where },
  )
}
