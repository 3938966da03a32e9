import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fillingFor } from './fill-inputs.ts'

const ids = { name: 'ids', dtype: 'int64', shape: ['batch', 'len'] }
const mask = { name: 'attention_mask', dtype: 'int64', shape: ['batch', 'len'] }
const state = { name: 'state', dtype: 'float32', shape: [2, null, 4] }

describe('fillingFor', () => {
  it('feeds zeros, ones to a mask, in the sizes of the sample, and says so', () => {
    const { notes, fill } = fillingFor([ids, mask, state], new Set(['ids']))
    const filled = fill({ ids: { dtype: 'int64', dims: [1, 3], data: new BigInt64Array(3) } })
    assert.deepEqual([...filled['attention_mask']!.data], [1n, 1n, 1n])
    assert.deepEqual(filled['state']!.dims, [2, 1, 4])
    assert.match(notes.join('; '), /"attention_mask".*ones; input "state".*zeros/)
  })

  it('refuses more than one float input without data, naming them', () => {
    const other = { name: 'other', dtype: 'float32', shape: ['N', 7] }
    assert.throws(
      () => fillingFor([ids, state, other], new Set(['ids'])),
      /"state" float32\[2,\?,4\], "other" float32\[N,7\]/,
    )
  })
})
