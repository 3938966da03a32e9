import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TensorValue } from '../base/index.ts'
import { decoderInputs, decoderInputsOf, firstTokens, nextStep, withTokens } from './decoder-inputs.ts'

const int64 = (...numbers: number[]): TensorValue => ({
  dtype: 'int64',
  dims: [1, numbers.length],
  data: BigInt64Array.from(numbers, BigInt),
})
const cache = (length: number, fill: number): TensorValue => ({
  dtype: 'float32',
  dims: [1, 1, length, 2],
  data: new Float32Array(length * 2).fill(fill),
})

const feeds = {
  input_ids: int64(5, 6, 7),
  attention_mask: int64(1, 1, 1),
  position_ids: int64(0, 1, 2),
  'past_key_values.0.decoder.key': cache(0, 0),
  'past_key_values.0.encoder.key': cache(0, 0),
  use_cache_branch: { dtype: 'bool', dims: [1], data: Uint8Array.of(0) } as TensorValue,
}
const given = decoderInputsOf(feeds)
assert.ok(given)
const numbers = (values: Readonly<Record<string, TensorValue>> | undefined, name: string) =>
  Array.from(values?.[name]?.data ?? [], Number)

describe('the inputs of a decoder', () => {
  it('are told apart by the names that exporters give them', () => {
    assert.deepEqual(given, {
      tokens: 'input_ids',
      mask: 'attention_mask',
      positions: 'position_ids',
      pasts: ['past_key_values.0.decoder.key', 'past_key_values.0.encoder.key'],
      usesCache: 'use_cache_branch',
    })
    const behind = [
      { name: 'encoder_attention_mask', dtype: 'int64', shape: ['b', 'l'] },
      { name: 'encoder_hidden_states', dtype: 'float32', shape: ['b', 'l', 8] },
      { name: 'decoder_input_ids', dtype: 'int64', shape: ['b', 's'] },
    ]
    assert.deepEqual(decoderInputs(behind), {
      ...{ tokens: 'decoder_input_ids', pasts: [] },
      ...{ states: 'encoder_hidden_states', statesMask: 'encoder_attention_mask' },
    })
  })

  it('are none of an encoder, and of a decoder without either', () => {
    const names = ['input_ids', 'attention_mask', 'token_type_ids']
    assert.equal(decoderInputs(names.map((name) => ({ name, dtype: 'int64', shape: ['b', 's'] }))), undefined)
  })

  it('are cut to the first tokens, with mask and positions, and continued', () => {
    const two = firstTokens(feeds, given, 2)
    assert.deepEqual(
      ['input_ids', 'attention_mask', 'position_ids'].map((name) => numbers(two, name)),
      [
        [5, 6],
        [1, 1],
        [0, 1],
      ],
    )
    // A mask that covers a past loses as many.
    assert.deepEqual(
      numbers(firstTokens({ ...feeds, attention_mask: int64(1, 1, 1, 1, 1) }, given, 1), 'attention_mask'),
      [1, 1, 1],
    )
    const more = withTokens(two, given, [9])
    assert.deepEqual(
      ['input_ids', 'attention_mask', 'position_ids'].map((name) => numbers(more, name)),
      [
        [5, 6, 9],
        [1, 1, 1],
        [0, 1, 2],
      ],
    )
  })

  it('of the step behind a run are the new token and what the run remembers', () => {
    const outputs = { 'present.0.decoder.key': cache(3, 1), 'present.0.encoder.key': cache(4, 2) }
    const step = nextStep(feeds, outputs, given, [8])
    assert.deepEqual(
      ['input_ids', 'attention_mask', 'position_ids'].map((name) => numbers(step, name)),
      [[8], [1, 1, 1, 1], [3]],
    )
    assert.deepEqual(numbers(step, 'use_cache_branch'), [1])
    assert.equal(step?.['past_key_values.0.decoder.key'], outputs['present.0.decoder.key'])
    // What was made of the encoder is made once; a stand-in does not take its place.
    const later = nextStep(
      step ?? {},
      { 'present.0.decoder.key': cache(4, 3), 'present.0.encoder.key': cache(0, 0) },
      given,
      [9],
    )
    assert.equal(later?.['past_key_values.0.encoder.key'], outputs['present.0.encoder.key'])
    assert.equal(later?.['past_key_values.0.decoder.key']?.dims[2], 4)
  })

  it('have no next step without a cache', () => {
    assert.equal(nextStep(feeds, {}, given, [8]), undefined)
    assert.equal(nextStep(feeds, {}, { ...given, pasts: [] }, [8]), undefined)
  })
})
