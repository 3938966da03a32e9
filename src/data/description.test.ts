import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { InputError } from '../base/index.ts'
import { parseDescription } from './description.ts'

describe('parseDescription', () => {
  it('takes what it knows and leaves the rest', () => {
    const json = { format: 'raw', file: 'a.bin', dtype: 'uint8', shape: [2, 3], licence: 'none' }
    assert.deepEqual(parseDescription(json, 'd.json'), { format: 'raw', file: 'a.bin', dtype: 'uint8', shape: [2, 3] })
  })

  for (const [what, json, message] of [
    ['an unknown format', { format: 'tar' }, /d\.json.*"format"/],
    [
      'an unknown element type',
      { format: 'raw', file: 'a', dtype: 'f32', shape: [1] },
      /"dtype".*element type such as "float32"/,
    ],
    ['a missing file', { format: 'idx' }, /"file"/],
    ['rows the wrong way round', { format: 'npy', file: 'a', rows: [5, 5] }, /"rows".*from < to/],
    ['a list', [], /d\.json/],
  ] as const)
    it(`refuses ${what}`, () => {
      assert.throws(
        () => parseDescription(json, 'd.json'),
        (error) => {
          assert.ok(error instanceof InputError)
          assert.match(error.message, message)
          return true
        },
      )
    })
})
