// A data set described in JSON: pictures and labels, blocks of numbers in files, or sentences. Paths are relative to the description.
import * as z from 'zod'
import { InputError, isValueType, type ValueType } from '../base/index.ts'
import { jsonProblem } from './json-problem.ts'

/** Where labels come from. */
export type LabelSource =
  | {
      readonly format: 'csv'
      readonly file: string
      /** Columns of the sample's file, of its class number and, if there is one, of the class's name. */
      readonly key?: string
      readonly column?: string
      readonly names?: string
    }
  | { readonly format: 'json'; readonly file: string; readonly key?: string }
  | { readonly format: 'raw'; readonly file: string; readonly dtype: ValueType; readonly shape?: readonly number[] }
  | { readonly format: 'idx' | 'npy'; readonly file: string }
  /** The input itself, moved by one position. */
  | { readonly format: 'next-token' }

/** One little-endian block in a file; the first axis of `shape` counts the samples. */
export interface RawBlock {
  readonly file: string
  readonly dtype: ValueType
  readonly shape: readonly number[]
}

interface Common {
  readonly labels?: LabelSource
  /** Only the samples [from, to). */
  readonly rows?: readonly [number, number]
  readonly classes?: number
  readonly classNames?: readonly string[]
}

/** `files` is a glob, or several. */
export interface ImagesDescription extends Common {
  readonly format: 'images'
  readonly files: string | readonly string[]
}

/** One block for the one input it fits, or one per model input; `constant` is the same number for all samples. */
export interface RawDescription extends Common {
  readonly format: 'raw'
  readonly file?: string
  readonly dtype?: ValueType
  readonly shape?: readonly number[]
  readonly inputs?: Readonly<Record<string, RawBlock | { readonly constant: number }>>
}

/** Records of equal size, sample and label at fixed offsets in each. */
export interface RecordsDescription extends Common {
  readonly format: 'records'
  readonly file: string
  readonly recordBytes: number
  readonly sample: { readonly offset: number; readonly dtype: ValueType; readonly shape: readonly number[] }
  readonly label?: { readonly offset: number; readonly dtype: ValueType; readonly shape?: readonly number[] }
}

/** A file that says itself what it holds. `sampleShape` may add axes of size 1. */
export interface ArrayDescription extends Common {
  readonly format: 'idx' | 'npy'
  readonly file: string
  readonly sampleShape?: readonly number[]
}

/** Sentences, one a sample: `file` is a .txt, .csv or .jsonl, `column` its column or key, `tokenizer` a folder or tokenizer.json. */
export interface TextDescription extends Common {
  readonly format: 'text'
  readonly file: string
  readonly column?: string
  readonly tokenizer?: string
}

export type Description = ImagesDescription | RawDescription | RecordsDescription | ArrayDescription | TextDescription

const dtype = z.custom<ValueType>((name) => typeof name === 'string' && isValueType(name), {
  error: 'expected an element type such as "float32", "uint8" or "int64"',
})
const shape = z.array(z.int().positive())
const offset = z.int().nonnegative()
const file = z.string().min(1)
const rows = z
  .tuple([z.int().nonnegative(), z.int().nonnegative()])
  .refine(([from, to]) => from < to, 'expected [from, to) with from < to')

const labels = z.discriminatedUnion('format', [
  z.object({
    format: z.literal('csv'),
    file,
    key: z.string().exactOptional(),
    column: z.string().exactOptional(),
    names: z.string().exactOptional(),
  }),
  z.object({ format: z.literal('json'), file, key: z.string().exactOptional() }),
  z.object({ format: z.literal('raw'), file, dtype, shape: shape.exactOptional() }),
  z.object({ format: z.enum(['idx', 'npy']), file }),
  z.object({ format: z.literal('next-token') }),
])

const block = z.object({ file, dtype, shape: shape.min(1) })
const constant = z.object({ constant: z.number() })
const common = {
  labels: labels.exactOptional(),
  rows: rows.exactOptional(),
  classes: z.int().positive().exactOptional(),
  classNames: z.array(z.string()).exactOptional(),
}

const schema: z.ZodType<Description> = z.discriminatedUnion('format', [
  z.object({ format: z.literal('images'), files: z.union([z.string(), z.array(z.string()).min(1)]), ...common }),
  z.object({
    format: z.literal('raw'),
    file: file.exactOptional(),
    dtype: dtype.exactOptional(),
    shape: shape.min(1).exactOptional(),
    inputs: z.record(z.string(), z.union([block, constant])).exactOptional(),
    ...common,
  }),
  z.object({
    format: z.literal('records'),
    file,
    recordBytes: z.int().positive(),
    sample: z.object({ offset, dtype, shape }),
    label: z.object({ offset, dtype, shape: shape.exactOptional() }).exactOptional(),
    ...common,
  }),
  z.object({ format: z.enum(['idx', 'npy']), file, sampleShape: shape.exactOptional(), ...common }),
  z.object({
    format: z.literal('text'),
    file,
    column: z.string().exactOptional(),
    tokenizer: z.string().min(1).exactOptional(),
    ...common,
  }),
])

/**
 * Parses a description of a data set.
 * @throws InputError naming the file and the first thing that is wrong
 */
export function parseDescription(json: unknown, where: string): Description {
  const parsed = schema.safeParse(json)
  if (!parsed.success)
    throw new InputError(`cannot use the data set description ${where}: ${jsonProblem(parsed.error)}`)
  return parsed.data
}
