import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { makeModel, makeNode, readModel, writeModel } from './index.ts'

describe('reading a model with unnamed outputs', () => {
  it('names those of operators that must have all of theirs, and leaves optional ones out', () => {
    const model = makeModel({
      name: 'g',
      inputs: [{ name: 'x', dtype: 'float32', shape: [2, 4] }],
      outputs: [{ name: 'y', dtype: 'float32' }],
      nodes: [
        makeNode({ opType: 'Split', inputs: ['x'], outputs: ['', 'a'] }),
        makeNode({ opType: 'Relu', inputs: ['a'], outputs: ['a/unused_0'] }),
        makeNode({ opType: 'Dropout', inputs: ['a/unused_0'], outputs: ['y', ''] }),
      ],
    })
    const [split, , dropout] = readModel(writeModel(model)).graph.nodes
    assert.deepEqual(split?.outputs, ['a/unused_0_', 'a'])
    assert.deepEqual(dropout?.outputs, ['y', ''])
  })
})
