// A plan as JSON: for a file, a queue or a process elsewhere. What comes back writes the same bytes into the same model.
import { z } from 'zod'
import { InputError } from '../base/index.ts'
import type { QuantParams } from '../math/index.ts'
import type { Bounds } from '../onnx/index.ts'
import type { ActivationGrid } from './activation-grid.ts'
import type { FloatReason } from './placement/reasons.ts'
import type { PlacedTensor } from './placement/tensors.ts'
import type { Plan } from './plan.ts'
import { targetOf } from './targets/index.ts'
import type { Target } from './targets/target.ts'

/** Maps are lists of pairs: their order counts, and objects put names that look like numbers first. */
const pairs = <T extends z.ZodType>(value: T) => z.array(z.tuple([z.string(), value]))
/** An end that is missing is infinite. */
const boundsSchema = z.strictObject({ low: z.number().exactOptional(), high: z.number().exactOptional() })
const gridSchema = z.strictObject({
  dtype: z.enum(['int8', 'uint8', 'int16', 'uint16', 'int4', 'uint4']),
  scale: z.array(z.number()),
  zeroPoint: z.array(z.int()),
  axis: z.int().exactOptional(),
  wholeRange: z.literal(true).exactOptional(),
})
const activationSchema = z.strictObject({
  grid: gridSchema,
  low: z.number(),
  high: z.number(),
  method: z.string(),
  observed: z.strictObject({ min: z.number(), max: z.number() }).exactOptional(),
})
const tensorSchema = z.strictObject({
  value: z.string(),
  gridOf: z.string(),
  bounds: boundsSchema,
  integerProducer: z.boolean(),
  constant: z.literal(true).exactOptional(),
})
const reasonSchema = z.strictObject({
  code: z.enum(['excluded', 'no-kernel', 'slow', 'read-elsewhere', 'form', 'cost', 'alone']),
  text: z.string(),
})
const names = z.array(z.string())

/** The form in which a plan is written down. */
export const planSchema = z.strictObject({
  kind: z.literal('onnxpress-plan'),
  version: z.literal(1),
  target: z.string(),
  layers: names,
  stored: names,
  integer: names,
  reasons: pairs(reasonSchema),
  embeddings: names,
  tensors: z.array(tensorSchema),
  caps: pairs(z.string()),
  shielded: names,
  surplus: pairs(names),
  apart: pairs(boundsSchema),
  activations: pairs(activationSchema),
  weights: pairs(gridSchema),
  rows: pairs(gridSchema),
  storedWeights: pairs(gridSchema),
  weightBits: pairs(z.int()),
})

export type PlanJson = z.infer<typeof planSchema>

/** A plan as a value that `JSON.stringify` keeps whole: every number comes back as it was. */
export function planToJson({ placement, activations, weights, embeddings, stored, weightBits }: Plan): PlanJson {
  return {
    kind: 'onnxpress-plan',
    version: 1,
    target: placement.target.name,
    layers: [...placement.layers],
    stored: [...placement.stored],
    integer: [...placement.integer],
    reasons: entries(placement.reasons, ({ code, text }: FloatReason) => ({ code, text })),
    embeddings: [...placement.embeddings],
    tensors: Array.from(placement.tensors.values(), ({ bounds, ...tensor }) => ({ ...tensor, bounds: ends(bounds) })),
    caps: [...placement.caps],
    shielded: [...placement.shielded],
    surplus: entries(placement.surplus, (attributes) => [...attributes]),
    apart: entries(placement.apart, ends),
    activations: entries(activations, ({ params, ...rest }: ActivationGrid) => ({ grid: gridOut(params), ...rest })),
    weights: entries(weights, gridOut),
    rows: entries(embeddings, gridOut),
    storedWeights: entries(stored, gridOut),
    weightBits: [...weightBits],
  }
}

/**
 * Reads what `planToJson` gave.
 * @param target the target of the plan, where it is none of `targets`
 * @throws InputError when it is not a plan, UsageError when there is no target of its name
 * @example
 * ```ts
 * const text = JSON.stringify(planToJson(plan))
 * const quantized = insertQdq(model, planFromJson(JSON.parse(text)))
 * ```
 */
export function planFromJson(json: unknown, target?: Target): Plan {
  const { success, data, error } = planSchema.safeParse(json)
  if (!success) {
    const [issue] = error.issues
    throw new InputError(
      `the plan cannot be read: ${issue?.path.join('.') || 'it'}: ${issue?.message}; was it made by planToJson?`,
    )
  }
  return {
    placement: {
      target: target ?? targetOf(data.target),
      layers: new Set(data.layers),
      stored: new Set(data.stored),
      integer: new Set(data.integer),
      reasons: new Map(data.reasons),
      embeddings: new Set(data.embeddings),
      tensors: new Map(
        data.tensors.map((tensor): [string, PlacedTensor] => [
          tensor.value,
          { ...tensor, bounds: boundsIn(tensor.bounds) },
        ]),
      ),
      caps: new Map(data.caps),
      shielded: new Set(data.shielded),
      surplus: new Map(data.surplus),
      apart: mapOf(data.apart, boundsIn),
    },
    activations: mapOf(data.activations, ({ grid, ...rest }): ActivationGrid => ({ params: gridIn(grid), ...rest })),
    weights: mapOf(data.weights, gridIn),
    embeddings: mapOf(data.rows, gridIn),
    stored: mapOf(data.storedWeights, gridIn),
    weightBits: new Map(data.weightBits),
  }
}

const entries = <T, U>(map: ReadonlyMap<string, T>, write: (value: T) => U): [string, U][] =>
  Array.from(map, ([name, value]) => [name, write(value)])

const mapOf = <T, U>(list: readonly (readonly [string, T])[], read: (value: T) => U): Map<string, U> =>
  new Map(list.map(([name, value]) => [name, read(value)]))

const ends = ({ low, high }: Bounds): z.infer<typeof boundsSchema> => ({
  ...(Number.isFinite(low) ? { low } : {}),
  ...(Number.isFinite(high) ? { high } : {}),
})

const boundsIn = ({
  low = Number.NEGATIVE_INFINITY,
  high = Number.POSITIVE_INFINITY,
}: z.infer<typeof boundsSchema>): Bounds => ({ low, high })

const gridOut = ({ scale, zeroPoint, ...rest }: QuantParams): z.infer<typeof gridSchema> => ({
  ...rest,
  scale: [...scale],
  zeroPoint: [...zeroPoint],
})

const gridIn = ({ scale, zeroPoint, ...rest }: z.infer<typeof gridSchema>): QuantParams => ({
  ...rest,
  scale: Float32Array.from(scale),
  zeroPoint: Int32Array.from(zeroPoint),
})
