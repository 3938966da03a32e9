import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { cutTokens, tokenInputs, tokenValues } from './token-inputs.ts'

const input = (name: string, dtype = 'int64', ...shape: (number | string)[]) => ({
  name,
  dtype,
  shape: shape.length > 0 ? shape : ['batch', 'sequence'],
})
const sentence = { ids: [2, 5, 3], types: [0, 0, 0], cut: false }
const numbers = (value: { readonly data: ArrayLike<number | bigint> } | undefined) =>
  Array.from(value?.data ?? [], Number)

describe('tokenInputs', () => {
  it('tells tokens, mask, segments and positions apart', () => {
    const roles = tokenInputs(
      [input('attention_mask'), input('token_type_ids'), input('position_ids'), input('input_ids')],
      'x.txt',
    )
    assert.deepEqual(
      [roles.tokens, roles.mask, roles.types, roles.positions].map((each) => each?.name),
      ['input_ids', 'attention_mask', 'token_type_ids', 'position_ids'],
    )
  })

  it('takes whatever integer input is left, those of an encoder first, and no number that steers the model', () => {
    assert.equal(tokenInputs([input('x', 'int32'), input('n', 'int64', 'batch')], 'f').tokens.name, 'x')
    assert.equal(tokenInputs([input('decoder_input_ids'), input('input_ids')], 'f').tokens.name, 'input_ids')
    assert.equal(tokenInputs([input('tokens', 'int64', 'length')], 'f').tokens.name, 'tokens')
  })

  it('refuses a model without one, naming its inputs', () => {
    assert.throws(
      () => tokenInputs([input('x', 'float32', 'N', 3)], 'a.txt'),
      /sentences of a\.txt .* "x" float32\[N,3\]$/,
    )
  })
})

describe('tokenValues', () => {
  it('has a batch of 1 where the model has a batch, and the type that it declares', () => {
    const roles = tokenInputs([input('input_ids', 'int32'), input('mask', 'float32')], 'f')
    const { input_ids: ids, mask } = tokenValues(roles, sentence, { padId: 0, padsLeft: false })
    assert.deepEqual([ids?.dtype, ids?.dims, numbers(ids)], ['int32', [1, 3], [2, 5, 3]])
    assert.deepEqual([mask?.dtype, numbers(mask)], ['float32', [1, 1, 1]])
    assert.deepEqual(
      tokenValues(tokenInputs([input('ids', 'int64', 'n')], 'f'), sentence, { padId: 0, padsLeft: false })['ids']?.dims,
      [3],
    )
  })

  it('pads behind or in front, with a mask of 0 and positions that count the sentence', () => {
    const roles = tokenInputs([input('input_ids'), input('attention_mask'), input('position_ids')], 'f')
    const padded = (padsLeft: boolean) =>
      Object.values(tokenValues(roles, sentence, { padId: 9, padsLeft, length: 5 })).map(numbers)
    assert.deepEqual(padded(false), [
      [2, 5, 3, 9, 9],
      [1, 1, 1, 0, 0],
      [0, 1, 2, 3, 4],
    ])
    assert.deepEqual(padded(true), [
      [9, 9, 2, 5, 3],
      [0, 0, 1, 1, 1],
      [0, 0, 0, 1, 2],
    ])
  })
})

describe('cutTokens', () => {
  const full = { ids: [1, 5, 6, 7, 8, 2], types: [0, 0, 0, 0, 0, 0] }

  it('cuts the sentence and keeps what stands around it', () => {
    assert.deepEqual(cutTokens(full, [5, 6, 7, 8], 4).ids, [1, 5, 6, 2])
    assert.deepEqual(cutTokens({ ids: [5, 6, 7], types: [] }, [5, 6, 7], 2).ids, [5, 6])
  })

  it('cuts at the end where there is no place for both', () => {
    assert.deepEqual(cutTokens(full, [5, 6, 7, 8], 2).ids, [1, 5])
    assert.deepEqual(cutTokens(full, [9, 9, 9, 9], 3).ids, [1, 5, 6])
  })
})
