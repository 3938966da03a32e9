// token-error-rate: both models write on from the first half of a text, each its likeliest token at a time; how much of what the second
// writes differs from what the first does?
import { InputError, makeArray, setElement, type TensorValue, UsageError } from '../base/index.ts'
import { decoderInputsOf, elementOf, firstTokens } from '../data/index.ts'
import { argMax, withoutFloat16 } from '../math/index.ts'
import type { Values } from '../runtime/index.ts'
import { writeGreedily } from './greedy.ts'
import { defineMetric, type Metric, type Runs } from './metric.ts'
import type { TextOutput } from './text-output.ts'

/** Tokens that are written at most: after a few that differ two texts have little in common. */
const MOST_TOKENS = 16
/** Texts that are written on at most: each takes as many runs as tokens are written. */
const MOST_TEXTS = 64

/** Lower is better; the original has 0. */
export const tokenErrorRate: Metric = defineMetric({
  name: 'token-error-rate',
  lowerIsBetter: true,
  needsLabels: false,
  score: () => {
    throw new UsageError('token-error-rate holds one model against another: use it with compare or quantize')
  },
  between: { most: MOST_TEXTS, score: errorRate },
})

/** Edit distance of the two texts as a share of their length; undefined for a text that is too short. */
async function errorRate(
  before: Runs,
  after: Runs,
  inputs: Values,
  text: TextOutput | undefined,
): Promise<number | undefined> {
  if (text?.kind !== 'logits' || text.tokens === undefined)
    throw new InputError('token-error-rate needs a model of tokens whose output is as wide as its vocabulary')
  const given = { ...text, tokens: text.tokens }
  const [first, second] = [await writeOn(before, inputs, given), await writeOn(after, inputs, given)]
  return first.length === 0 ? undefined : editDistance(first, second) / first.length
}

/**
 * The tokens that a model writes in place of the second half of a text: with its cache, as it is used, where it has one. Else the model
 * sees the whole length at each step, as it may be fixed; what is not written yet is masked, and a decoder does not look at it.
 */
async function writeOn(
  session: Runs,
  inputs: Values,
  { tokens, mask, output }: TextOutput & { readonly tokens: string },
): Promise<number[]> {
  const given = inputs[tokens]
  const length = given?.data.length ?? 0
  const kept = lengthOf(inputs[mask ?? ''], length)
  const start = Math.ceil(kept / 2)
  if (!given || start === 0 || (given.dims.length > 1 && given.dims[0] !== 1)) return []
  const cached = decoderInputsOf(inputs)
  if (cached && cached.pasts.length > 0)
    return writeGreedily(session, firstTokens(inputs, cached, start), {
      given: cached,
      output,
      count: Math.min(kept - start, MOST_TOKENS),
    })
  const ids = Array.from({ length }, (_, at) => (at < start ? elementOf(given, at) : 0))
  const written: number[] = []
  for (let at = start; at < kept && written.length < MOST_TOKENS; at++) {
    const feeds = { ...inputs, [tokens]: valueLike(given, ids), ...masked(inputs, mask, at) }
    const logits = withoutFloat16(await session.run(feeds))[output]
    const width = logits?.dims.at(-1) ?? 0
    if (!(logits?.data instanceof Float32Array) || logits.data.length !== length * width) return []
    const next = argMax(logits.data, (at - 1) * width, width)
    ids[at] = next
    written.push(next)
  }
  return written
}

/** Tokens in front of the padding. */
function lengthOf(mask: TensorValue | undefined, length: number): number {
  if (mask?.data.length !== length) return length
  const end = Array.from({ length }, (_, at) => elementOf(mask, at)).lastIndexOf(1)
  return end + 1
}

function masked(inputs: Values, name: string | undefined, known: number): Values {
  const mask = inputs[name ?? '']
  if (!mask || name === undefined) return {}
  const kept = Array.from({ length: mask.data.length }, (_, at) => (at < known ? elementOf(mask, at) : 0))
  return { [name]: valueLike(mask, kept) }
}

function valueLike({ dtype, dims }: TensorValue, numbers: readonly number[]): TensorValue {
  const data = makeArray(dtype, numbers.length)
  for (const [at, number] of numbers.entries()) setElement(data, at, number)
  return { dtype, dims, data }
}

/** Levenshtein's distance of two lists of tokens. */
export function editDistance(a: readonly number[], b: readonly number[]): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (const [i, own] of a.entries()) {
    const next = [i + 1]
    for (const [j, other] of b.entries())
      next.push(Math.min((row[j] ?? 0) + Number(own !== other), (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    row = next
  }
  return row.at(-1) ?? 0
}
