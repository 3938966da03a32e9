// The inputs of a decoder, told apart by the names that exporters give them: tokens, what came before (the cache), what an encoder made.
import { makeArray, setElement, type TensorValue } from '../base/index.ts'
import { isFloatType } from './convert.ts'

type Values = Readonly<Record<string, TensorValue>>

/** An input, declared or fed; of its shape only the length matters. */
interface NamedInput {
  readonly name: string
  readonly dtype?: string
  readonly shape?: readonly unknown[]
}

/** Names of the inputs. */
export interface DecoderInputs {
  readonly tokens: string
  /** Which of the tokens count, those before included. */
  readonly mask?: string
  readonly positions?: string
  /** Keys and values of the tokens before. */
  readonly pasts: readonly string[]
  /** Says that there is a past. */
  readonly usesCache?: string
  /** What the encoder made of its input, [batch, length, width], and which of it counts. */
  readonly states?: string
  readonly statesMask?: string
}

const PAST = /^(past|cache)|past_key|past_value/i
const OTHER = /mask|position|type|segment|use_cache|logits_to_keep|^encoder|^past|^cache/i

/** The inputs of a decoder that has a cache or reads an encoder; undefined for any other model. */
export function decoderInputs(inputs: readonly NamedInput[]): DecoderInputs | undefined {
  const named = (pattern: RegExp, fits: (input: NamedInput) => boolean = () => true) =>
    inputs.find((input) => pattern.test(input.name) && fits(input))?.name
  const isInteger = ({ dtype }: NamedInput) => /^u?int(32|64)$/.test(dtype ?? '')
  const isFloat = ({ dtype, shape }: NamedInput) => isFloatType(dtype ?? '') && (shape?.length ?? 3) >= 3
  const tokens = named(/ids?|tokens?/i, (input) => isInteger(input) && !OTHER.test(input.name))
  const pasts = inputs.filter((input) => PAST.test(input.name) && isFloat(input)).map(({ name }) => name)
  const states = named(/^encoder_(hidden_states|outputs?|last_hidden_state)/i, isFloat)
  if (tokens === undefined || (pasts.length === 0 && states === undefined)) return undefined
  const optional = {
    mask: named(/mask$/i, ({ name }) => !/^encoder/i.test(name)),
    positions: named(/position/i, isInteger),
    usesCache: named(/use_cache/i),
    states,
    statesMask: named(/^encoder_.*mask$/i),
  }
  const known = Object.fromEntries(Object.entries(optional).filter(([, name]) => name !== undefined))
  return { tokens, pasts, ...known }
}

/** The same of what a model is fed. */
export function decoderInputsOf(feeds: Values): DecoderInputs | undefined {
  return decoderInputs(Object.entries(feeds).map(([name, { dtype, dims }]) => ({ name, dtype, shape: dims })))
}

/** The tokens of one sample. */
export function tokensIn(feeds: Values, { tokens }: DecoderInputs): number[] {
  return Array.from(feeds[tokens]?.data ?? [], Number)
}

/** The first tokens of a sample alone, its mask and positions as much shorter. */
export function firstTokens(feeds: Values, given: DecoderInputs, count: number): Values {
  const { tokens, mask, positions } = given
  const without = tokensIn(feeds, given).length - count
  const cut = (name: string | undefined) => {
    const value = feeds[name ?? '']
    if (!value || name === undefined) return {}
    const numbers = Array.from(value.data, Number)
    return { [name]: like(value, numbers.slice(0, numbers.length - without)) }
  }
  return { ...feeds, ...cut(tokens), ...cut(mask), ...cut(positions) }
}

/** The feeds with more tokens behind those that are there, for a model that sees all of them each time. */
export function withTokens(feeds: Values, { tokens, mask, positions }: DecoderInputs, ids: readonly number[]): Values {
  return {
    ...feeds,
    ...longer(feeds, tokens, ids),
    ...longerMask(feeds, mask, ids),
    ...next(feeds, positions, ids, true),
  }
}

/**
 * The feeds of the step after a run: the new tokens alone, and the cache that the run gave. Undefined where it gave none. What was
 * made of the encoder is made once: a merged decoder gives a stand-in for it from its second step on, and what was there stays.
 */
export function nextStep(
  feeds: Values,
  outputs: Values,
  given: DecoderInputs,
  ids: readonly number[],
): Values | undefined {
  const presents = new Map(Object.keys(outputs).flatMap((name) => (/^present/i.test(name) ? [[bare(name), name]] : [])))
  const cache: Record<string, TensorValue> = {}
  for (const name of given.pasts) {
    const known = feeds[name]
    const stays = /encoder/i.test(name) && known !== undefined && known.data.length > 0
    const value = stays ? known : (outputs[presents.get(bare(name)) ?? ''] ?? known)
    if (!value || value.data.length === 0) return undefined
    cache[name] = value
  }
  if (given.pasts.length === 0) return undefined
  const { tokens, mask, positions, usesCache } = given
  const old = feeds[tokens]
  const uses = feeds[usesCache ?? '']
  return {
    ...feeds,
    ...cache,
    ...(old ? { [tokens]: like(old, ids) } : {}),
    ...longerMask(feeds, mask, ids),
    ...next(feeds, positions, ids, false),
    ...(uses && usesCache !== undefined ? { [usesCache]: like(uses, [1]) } : {}),
  }
}

/** `past_key_values.0.key`, `present.0.key` → `0.key`. */
const bare = (name: string) => name.replace(/^(past|present|cache)(_key_values?)?[._]?/i, '')

function longer(feeds: Values, name: string, ids: readonly number[]): Values {
  const value = feeds[name]
  return value ? { [name]: like(value, [...Array.from(value.data, Number), ...ids]) } : {}
}

function longerMask(feeds: Values, name: string | undefined, ids: readonly number[]): Values {
  return name === undefined
    ? {}
    : longer(
        feeds,
        name,
        ids.map(() => 1),
      )
}

/** Positions behind the last one; `all` keeps those before. */
function next(feeds: Values, name: string | undefined, ids: readonly number[], all: boolean): Values {
  const value = feeds[name ?? '']
  if (!value || name === undefined) return {}
  const before = Array.from(value.data, Number)
  const behind = ids.map((_, at) => (before.at(-1) ?? -1) + 1 + at)
  return { [name]: like(value, all ? [...before, ...behind] : behind) }
}

/** Numbers as a value of the same type, along its last axis. */
function like({ dtype, dims }: TensorValue, numbers: readonly number[]): TensorValue {
  const data = makeArray(dtype, numbers.length)
  for (const [at, number] of numbers.entries()) setElement(data, at, number)
  return { dtype, dims: [...dims.slice(0, -1), numbers.length], data }
}
