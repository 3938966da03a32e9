import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { intAttr } from './attributes.ts'
import { makeNode } from './edit.ts'
import { makeModel } from './make-model.ts'
import { Tensor } from './tensor.ts'
import { vocabularies } from './vocabulary.ts'

const table = (...shape: number[]) => Tensor.from('float32', shape, new Float32Array(shape.reduce((a, b) => a * b, 1)))

describe('vocabularies', () => {
  it('are the rows of the smallest table that an input is looked up in, also moved and cast before', () => {
    const model = makeModel({
      name: 'tables',
      nodes: [
        makeNode({ opType: 'Cast', inputs: ['ids'], outputs: ['cast'], attributes: { to: intAttr(6) } }),
        makeNode({ opType: 'Reshape', inputs: ['cast', 'flat'], outputs: ['moved'] }),
        makeNode({ opType: 'Gather', inputs: ['words', 'moved'], outputs: ['a'] }),
        makeNode({ opType: 'Gather', inputs: ['across', 'ids'], outputs: ['b'], attributes: { axis: intAttr(-1) } }),
        makeNode({ opType: 'Gather', inputs: ['mask', 'first'], outputs: ['c'] }),
      ],
      inputs: ['ids', 'mask'].map((name) => ({ name, dtype: 'int64' as const, shape: ['batch', 'length'] })),
      outputs: ['a', 'b', 'c'].map((name) => ({ name })),
      initializers: {
        words: table(50, 4),
        across: table(3, 40),
        flat: Tensor.from('int64', [1], [-1]),
        first: Tensor.from('int64', [], [0]),
      },
    })
    assert.deepEqual(vocabularies(model), { ids: 40 })
  })
})
