import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Values } from '../runtime/index.ts'
import type { Runs } from './metric.ts'
import { editDistance, tokenErrorRate } from './token-error-rate.ts'

const WORDS = 10
const logits = { kind: 'logits', output: 'y', tokens: 'ids', mask: 'mask' } as const

/** A language in which each token is followed by one other. */
function speaker(follows: (token: number) => number): Runs & { readonly seen: Values[] } {
  const seen: Values[] = []
  const run = async (inputs: Values): Promise<Values> => {
    seen.push(inputs)
    const ids = Array.from(inputs['ids']?.data ?? [], Number)
    const data = new Float32Array(ids.length * WORDS)
    for (const [at, id] of ids.entries()) data[at * WORDS + (follows(id) % WORDS)] = 1
    return { y: { dtype: 'float32', dims: [1, ids.length, WORDS], data } }
  }
  return { run, seen }
}
const int64 = (...numbers: number[]) =>
  ({ dtype: 'int64', dims: [1, numbers.length], data: BigInt64Array.from(numbers, BigInt) }) as const
const between = (before: Runs, after: Runs, inputs: Values) =>
  tokenErrorRate.between?.score(before, after, inputs, logits)

describe('token-error-rate', () => {
  const next = (token: number) => token + 1

  it('is 0 for models that write the same, and counts what differs', async () => {
    const inputs = { ids: int64(1, 2, 3, 4, 9, 9, 9, 9) }
    assert.equal(await between(speaker(next), speaker(next), inputs), 0)
    // 5 6 7 8 against 5 7 9 1: one left out, one other, one more.
    const other = (token: number) => (token === 4 ? 5 : token + 2)
    assert.equal(await between(speaker(next), speaker(other), inputs), 0.75)
  })

  it('masks what is not written yet, and writes no further than the text went', async () => {
    const first = speaker(next)
    const inputs = { ids: int64(1, 2, 3, 4, 0, 0), mask: int64(1, 1, 1, 1, 0, 0) }
    assert.equal(await between(first, speaker(next), inputs), 0)
    assert.deepEqual(
      first.seen.map(({ ids, mask }) => `${ids?.data.join('')} ${mask?.data.join('')}`),
      ['120000 110000', '123000 111000'],
    )
  })

  it('needs a model of tokens with logits, and two of them', async () => {
    const one = speaker(next)
    const embedding = { ...logits, kind: 'embedding' } as const
    await assert.rejects(
      async () => tokenErrorRate.between?.score(one, one, {}, embedding),
      /as wide as its vocabulary/,
    )
    assert.throws(() => tokenErrorRate.score({ id: '', inputs: {}, outputs: {} }), /use it with compare or quantize/)
  })

  it('has an edit distance that forgives a shift', () => {
    assert.equal(editDistance([1, 2, 3, 4], [2, 3, 4, 5]), 2)
    assert.equal(editDistance([], [1]), 1)
  })
})

describe('token-error-rate of a decoder with a cache', () => {
  /** Counts on from the token that it sees, `by` at a time; remembers how many it saw. */
  const counting = (by: number): Runs & { readonly steps: number[][] } => {
    const steps: number[][] = []
    const run = async (inputs: Values): Promise<Values> => {
      const ids = Array.from(inputs['input_ids']?.data ?? [], Number)
      const past = inputs['past_key_values.0.key']?.dims[2] ?? 0
      steps.push([past, ...ids])
      const data = new Float32Array(ids.length * WORDS)
      for (const [at, id] of ids.entries()) data[at * WORDS + ((id + by) % WORDS)] = 1
      const length = past + ids.length
      return {
        y: { dtype: 'float32', dims: [1, ids.length, WORDS], data },
        'present.0.key': { dtype: 'float32', dims: [1, 1, length, 1], data: new Float32Array(length) },
      }
    }
    return { run, steps }
  }

  it('writes a token at a time, as the cache is used', async () => {
    const empty = { dtype: 'float32', dims: [1, 1, 0, 1], data: new Float32Array(0) } as const
    const inputs = { input_ids: int64(1, 2, 3, 4, 5, 6), 'past_key_values.0.key': empty }
    const [first, second] = [counting(1), counting(2)]
    const text = { kind: 'logits', output: 'y', tokens: 'input_ids' } as const
    // 4 5 6 against 5 7 9.
    const rate = await tokenErrorRate.between?.score(first, second, inputs, text)
    assert.ok((rate ?? 0) > 0.6, `${rate}`)
    assert.deepEqual(first.steps, [
      [0, 1, 2, 3],
      [3, 4],
      [4, 5],
    ])
  })
})
