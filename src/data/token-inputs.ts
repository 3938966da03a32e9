// Tokens of a sentence as the inputs of a transformer: their numbers, the mask, segments and positions, told apart by name and type.
import { InputError, makeArray, setElement, type TensorValue, toFloat16Bits } from '../base/index.ts'
import type { InputSpec } from './dataset.ts'
import { fittingDims, misfit } from './fit-value.ts'
import { inputType, printInput } from './input-shape.ts'
import { isScalar } from './plausible.ts'

/** Token numbers, and the segment of each (0, or 1 behind a separator). */
export interface Tokens {
  readonly ids: readonly number[]
  readonly types: readonly number[]
  /** The sentence was longer. */
  readonly cut: boolean
}

/** Which input is what. */
export interface TokenInputs {
  readonly tokens: InputSpec
  readonly mask?: InputSpec
  readonly types?: InputSpec
  readonly positions?: InputSpec
  /** The only number of tokens that the model takes. */
  readonly length?: number
}

const ROLES = { mask: /mask(:\d+)?$/i, types: /token_?type|segment/i, positions: /position/i } as const
const TOKENS = /(ids?|tokens?|words?)(:\d+)?$/i
const DECODER = /^decoder/i

/** The inputs that take a sentence. @throws InputError when there is no input for its tokens */
export function tokenInputs(inputs: readonly InputSpec[], file: string): TokenInputs {
  const flat = inputs.filter(
    ({ shape, container }) => !container && (shape === undefined || (shape.length > 0 && shape.length <= 2)),
  )
  const ofRole = (role: keyof typeof ROLES) => flat.find(({ name }) => ROLES[role].test(name))
  const [mask, types, positions] = [ofRole('mask'), ofRole('types'), ofRole('positions')]
  const others = flat.filter(
    (input) =>
      isInteger(input) && ![mask, types, positions].includes(input) && (TOKENS.test(input.name) || !isScalar(input)),
  )
  const named = others.filter(({ name }) => TOKENS.test(name))
  const tokens = named.find(({ name }) => !DECODER.test(name)) ?? named[0] ?? others[0]
  if (!tokens)
    throw new InputError(
      `the sentences of ${file} need an integer input of [batch, length] for their tokens; the model's inputs are ${inputs.map((input) => `"${input.name}" ${printInput(input)}`).join(', ')}`,
      { file },
    )
  const length = tokens.shape?.at(-1)
  return {
    tokens,
    ...(mask && { mask }),
    ...(types && isInteger(types) && { types }),
    ...(positions && isInteger(positions) && { positions }),
    ...(typeof length === 'number' && { length }),
  }
}

function isInteger({ dtype }: InputSpec): boolean {
  return /^u?int(8|16|32|64)$/.test(dtype ?? '')
}

export interface Padding {
  readonly padId: number
  readonly padsLeft: boolean
  /** Tokens of the sample; those of the sentence if not given. */
  readonly length?: number | undefined
}

/** The values of one sentence: [1, length] each, or [length] where an input has no batch. The mask is 0 where padding stands. */
export function tokenValues(
  { tokens, mask, types, positions }: TokenInputs,
  sentence: Tokens,
  { padId, padsLeft, length = sentence.ids.length }: Padding,
): Record<string, TensorValue> {
  const missing = Math.max(0, length - sentence.ids.length)
  const padded = (values: readonly number[], pad: number) => {
    const padding = new Array<number>(missing).fill(pad)
    return padsLeft ? [...padding, ...values] : [...values, ...padding]
  }
  const ids = padded(sentence.ids, padId)
  const kept = padded(
    sentence.ids.map(() => 1),
    0,
  )
  const segments = padded(
    sentence.ids.map((_, at) => sentence.types[at] ?? 0),
    0,
  )
  const places = ids.map((_, at) => Math.max(0, padsLeft ? at - missing : at))
  const values: readonly (readonly [InputSpec | undefined, readonly number[]])[] = [
    [tokens, ids],
    [mask, kept],
    [types, segments],
    [positions, places],
  ]
  return Object.fromEntries(
    values.flatMap(([input, numbers]) => (input ? [[input.name, tokenValue(input, numbers)]] : [])),
  )
}

function tokenValue(input: InputSpec, numbers: readonly number[]): TensorValue {
  const dtype = inputType(input)
  const dims = fittingDims(input.shape, [numbers.length])
  if (!dims) throw misfit(input, { dtype: 'int64', dims: [numbers.length] }, 'a sentence')
  const data = makeArray(dtype, numbers.length)
  const isHalf = dtype === 'float16'
  for (const [at, number] of numbers.entries()) setElement(data, at, isHalf ? toFloat16Bits(number) : number)
  return { dtype, dims, data }
}

/**
 * A sentence of at most `most` tokens: its own tokens are cut, those around it (beginning, end) stay.
 * @param plain its tokens without those around it
 */
export function cutTokens(
  { ids, types }: Pick<Tokens, 'ids' | 'types'>,
  plain: readonly number[],
  most: number,
): Tokens {
  const around = ids.length - plain.length
  const start = Array.from({ length: around + 1 }, (_, at) => at).find((at) =>
    plain.every((id, index) => ids[at + index] === id),
  )
  const keep = most - around
  // Without a place for the sentence itself nothing is left to choose.
  if (start === undefined || keep < 1) return { ids: ids.slice(0, most), types: types.slice(0, most), cut: true }
  const without = (values: readonly number[]) => [
    ...values.slice(0, start + keep),
    ...values.slice(start + plain.length),
  ]
  return { ids: without(ids), types: without(types), cut: true }
}
