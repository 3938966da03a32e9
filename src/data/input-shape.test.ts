import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UnsupportedError } from '../base/index.ts'
import { concreteShapes, inputType } from './input-shape.ts'

const input = (name: string, ...shape: (number | string | null)[]) => ({ name, dtype: 'float32', shape })

describe('concreteShapes', () => {
  it('makes the batch 1, pictures 224, signals 512, sequences 16', () => {
    const shapes = concreteShapes([
      input('a', 'N', 3, null, null),
      input('b', null, null),
      { ...input('c', 1, 'len'), dtype: 'int64' },
    ])
    assert.deepEqual(
      [...shapes.values()],
      [
        [1, 3, 224, 224],
        [1, 512],
        [1, 16],
      ],
    )
  })

  it('takes the first dynamic axis for the batch when the first axis is not 1', () => {
    assert.deepEqual(concreteShapes([input('state', 2, null, 128)]).get('state'), [2, 1, 128])
  })

  it('gives equal names equal sizes, the given ones first', () => {
    const inputs = [input('mask', 'batch', 'len'), input('ids', 'batch', 'len')]
    assert.deepEqual(concreteShapes(inputs, { ids: [1, 9] }).get('mask'), [1, 9])
  })

  it('adds up what a name adds up, wherever its parts are declared', () => {
    const shapes = concreteShapes(
      [
        { ...input('mask', 'batch', 'past_sequence_length + sequence_length'), dtype: 'int64' },
        { ...input('ids', 'batch', 'sequence_length'), dtype: 'int64' },
        input('past', 'batch', 2, 'past_sequence_length', 8),
        { ...input('positions', 'batch', 'past_sequence_length + 1'), dtype: 'int64' },
        { ...input('odd', 'batch', 'unknown + 1'), dtype: 'int64' },
      ],
      { ids: [1, 3] },
    )
    assert.deepEqual(shapes.get('mask'), [1, 19])
    assert.deepEqual(shapes.get('positions'), [1, 17])
    assert.deepEqual(shapes.get('odd'), [1, 16])
  })

  it('says of an input that is not a tensor what it is, and does not ask for a shape', () => {
    const container = { dtype: 'float32', inside: ['sequence', 'optional'] }
    assert.throws(() => concreteShapes([{ name: 's', container }]), /input "s" is a sequence; .* begin at the tensors/)
  })

  it('refuses a given shape that does not fit, or for no input', () => {
    assert.throws(() => concreteShapes([input('a', 'N', 3)], { a: [1, 4] }), /\[1,4\].*"a".*float32\[N,3\]/)
    assert.throws(() => concreteShapes([input('a', 'N', 3)], { b: [1, 3] }), /"b".*its inputs are a/)
  })
})

describe('inputType', () => {
  it('refuses inputs that are not numbers', () => {
    assert.throws(() => inputType({ name: 's', dtype: 'string', shape: [1] }), UnsupportedError)
  })
})
