// Numbers for inputs that steer a model instead of being looked at: rates, lengths, thresholds. By the words in their names.
import { isFloatType } from './convert.ts'
import type { InputSpec } from './dataset.ts'
import { isBatchName, isTimeName } from './dim-names.ts'

/** Does an input hold a single number, or one a sample? A float vector of free length is a signal. */
export function isScalar({ shape, dtype }: InputSpec): boolean {
  const [first] = shape ?? []
  if (shape === undefined || shape.length > 1) return false
  return (
    shape.length === 0 || first === 1 || isBatchName(first) || (typeof first !== 'number' && !isFloatType(dtype ?? ''))
  )
}

/** Does an input hold what a decoder remembers of the tokens before? It is empty at the beginning of a sequence. */
export function isPast({ name, dtype, shape }: InputSpec): boolean {
  return isFloatType(dtype ?? '') && /^(past|cache)|past_key|past_value/i.test(name) && freePast(shape).length > 0
}

/** The axes of a past that are empty: free, and not the batch. */
export function freePast(shape: InputSpec['shape']): number[] {
  return (shape ?? []).flatMap((dim, axis) => (axis > 0 && typeof dim !== 'number' && !isBatchName(dim) ? [axis] : []))
}

/** Is an input a mask, which says what counts? */
export function isMask({ name }: Pick<InputSpec, 'name'>): boolean {
  return /mask$/i.test(name)
}

const RATE = /sampl\w*_?rate|(^|_)sr$|^fs$/i

/** Does an input say at which rate a sound was taken? */
export function isRate({ name }: InputSpec): boolean {
  return RATE.test(name)
}

const WHOLE: readonly (readonly [RegExp, number | 'length'])[] = [
  [/use_cache|logits_to_keep/i, 0],
  [RATE, 16000],
  [/len|frames|size|num_?(tokens|samples)/i, 'length'],
  [/max.*(box|detect|output)|top_?k/i, 10],
]
const FRACTIONAL: readonly (readonly [RegExp, number])[] = [
  [RATE, 16000],
  [/iou|nms/i, 0.5],
  [/thres|score|conf|prob/i, 0.25],
]

/**
 * A plausible number for a scalar input: 16000 for a sampling rate, `length` for a length, 0 for what steers the cache and the
 * logits of a decoder (no past, all positions), 1 for any other integer; a
 * quarter or a half for thresholds, 1 for any other (scales, temperatures, speeds).
 * @param length of the inputs that have one
 */
export function plausibleScalar({ name, dtype }: InputSpec, length: number): number {
  if (isFloatType(dtype ?? '')) return FRACTIONAL.find(([words]) => words.test(name))?.[1] ?? 1
  const found = WHOLE.find(([words]) => words.test(name))?.[1] ?? 1
  return found === 'length' ? length : found
}

/** The longest free dimension that is not a batch; else the longest of all: what a length is the length of. */
export function lengthOf(inputs: readonly InputSpec[], shapes: ReadonlyMap<string, readonly number[]>): number {
  const longest = (counts: (dim: number | string | null | undefined) => boolean) =>
    inputs
      .filter((input) => !isScalar(input))
      .flatMap(({ name, shape }) =>
        (shapes.get(name) ?? []).filter((_, axis) => (axis > 0 || isTimeName(shape?.[axis])) && counts(shape?.[axis])),
      )
      .reduce((most, size) => Math.max(most, size), 0)
  return longest((dim) => typeof dim !== 'number' && !isBatchName(dim)) || longest(() => true) || 1
}
