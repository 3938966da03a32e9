import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sequenceModel } from '../../test/support/runtime-models.ts'
import { cutBefore } from './suffix.ts'

describe('cutBefore', () => {
  it('feeds what a sequence is made of: a sequence cannot be fed', () => {
    assert.deepEqual(cutBefore(sequenceModel(), 'first').sort(), ['second', 'x'])
    assert.deepEqual(cutBefore(sequenceModel(), 'a').sort(), ['first', 'second'])
  })
})
