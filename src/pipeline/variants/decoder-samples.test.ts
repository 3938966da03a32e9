import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertNear } from '../../../test/support/assert-near.ts'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { type SmallDecoder, smallDecoder } from '../../../test/support/small-decoder.ts'
import { smallEncoder } from '../../../test/support/small-encoder.ts'
import { type Dataset, datasetOf } from '../../data/index.ts'
import type { Model } from '../../onnx/index.ts'
import { type Values, withSession } from '../../runtime/index.ts'
import { decoderSamples } from './decoder-samples.ts'

const runtime = await testRuntime()

/** Sentences of 3 to 6 tokens. */
function sentences(model: Model): Dataset {
  const values = (index: number): Values => {
    const ids = Array.from({ length: 3 + (index % 4) }, (_, i) => 4 + ((index * 5 + i * 3) % 12))
    const row = (numbers: readonly number[]) =>
      ({ dtype: 'int64', dims: [1, numbers.length], data: BigInt64Array.from(numbers, BigInt) }) as const
    const named: Values = {
      input_ids: row(ids),
      attention_mask: row(ids.map(() => 1)),
      token_type_ids: row(ids.map(() => 0)),
    }
    return Object.fromEntries(model.graph.inputs.flatMap(({ name }) => (named[name] ? [[name, named[name]]] : [])))
  }
  const fed = new Set(Object.keys(values(0)))
  const source = { name: 'sentences', size: 8, hasLabels: false, fed, notes: () => [] }
  return datasetOf(
    { ...source, id: (index) => `s${index}`, read: async (index) => ({ values: values(index) }) },
    { inputs: model.graph.inputs },
  )
}

const encoder = smallEncoder(1)
const beginning = { starts: [2], ends: [] }
const run = (model: Model, feeds: Values) => withSession(runtime, model, {}, (session) => session.run(feeds))
const inputsOf = async (data: Dataset, index: number) => (await data.sample(index)).inputs
const lastOf = (values: Values) => Array.from(values['logits']?.data as Float32Array).slice(-16)

async function made(kind: SmallDecoder, starts: SmallDecoder['past'] = kind.past): Promise<Dataset> {
  const decoder = smallDecoder(kind)
  const starter = starts === kind.past ? decoder : smallDecoder({ ...kind, past: starts })
  const behind = kind.behind === 'encoder'
  const sources = { decoder, starter, ...(behind ? { encoder } : {}), dataset: sentences(behind ? encoder : starter) }
  return decoderSamples(runtime, { ...sources, ...beginning }, {})
}

describe('samples of a decoder behind an encoder', () => {
  it('hold what the encoder makes, and the tokens that the decoder writes itself', async () => {
    const data = await made({ behind: 'encoder', past: 'none' })
    assert.deepEqual([data.size, data.id(3)], [8, 's3'])
    const inputs = await inputsOf(data, 2)
    const feeds = (await sentences(encoder).sample(2)).inputs
    const states = (await run(encoder, feeds))['last_hidden_state']
    assert.deepEqual(inputs['encoder_hidden_states']?.dims, states?.dims)
    assertNear(inputs['encoder_hidden_states']?.data as Float32Array, states?.data as Float32Array, 1e-6)
    const ids = Array.from(inputs['input_ids']?.data ?? [], Number)
    assert.equal(ids[0], 2)
    const logits = (await run(smallDecoder({ behind: 'encoder', past: 'none' }), inputs))['logits']
    for (const [at, id] of ids.slice(1).entries()) {
      const row = Array.from(logits?.data as Float32Array).slice(at * 16, (at + 1) * 16)
      assert.equal(row.indexOf(Math.max(...row)), id)
    }
  })

  for (const [what, past, starts] of [
    ['of a file that only goes on', 'needed', 'none'],
    ['of a merged one', 'merged', 'merged'],
  ] as const)
    it(`go on from a cache as the whole text does: ${what}`, async () => {
      const data = await made({ behind: 'encoder', past }, starts)
      const whole = await made({ behind: 'encoder', past: 'none' })
      const [step, text] = [await inputsOf(data, 1), await inputsOf(whole, 1)]
      assert.deepEqual(step['input_ids']?.dims, [1, 1])
      assert.deepEqual(step['past_key_values.0.decoder.key']?.dims, [1, 1, (text['input_ids']?.dims[1] ?? 0) - 1, 32])
      assert.deepEqual(step['past_key_values.0.encoder.key']?.dims, [1, 1, text['encoder_hidden_states']?.dims[1], 32])
      assertNear(
        lastOf(await run(smallDecoder({ behind: 'encoder', past }), step)),
        lastOf(await run(smallDecoder({ behind: 'encoder', past: 'none' }), text)),
        1e-4,
      )
    })

  it('are whole texts and steps in turn where a decoder takes both', async () => {
    const data = await made({ behind: 'encoder', past: 'merged' })
    const uses = await Promise.all(
      [0, 1].map(async (index) => [...((await inputsOf(data, index))['use_cache_branch']?.data ?? [])]),
    )
    assert.deepEqual(uses, [[0], [1]])
  })
})

describe('samples of a decoder alone', () => {
  it('are sentences, and every other one in two parts, the first in the cache', async () => {
    const data = await made({ behind: 'nothing', past: 'both' })
    const decoder = smallDecoder({ behind: 'nothing', past: 'both' })
    const whole = (await sentences(decoder).sample(1)).inputs
    const step = await inputsOf(data, 1)
    assert.deepEqual(step['past_key_values.0.key']?.dims, [1, 1, 2, 32])
    assert.deepEqual(step['input_ids']?.dims, [1, 2])
    assertNear(lastOf(await run(decoder, step)), lastOf(await run(decoder, whole)), 1e-4)
    assert.deepEqual((await inputsOf(data, 0))['past_key_values.0.key']?.dims, [1, 1, 0, 32])
  })
})
