import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { piecesOf } from './index.ts'

// 4 MB of weights a layer.
const drawing =
  'x[N,1024] -> MatMul 1024->1024 -> a; a -> Relu -> MatMul 1024->1024 -> b; b -> MatMul 1024->1024 -> c; c,a -> Add -> y'

describe('pieces of a model', () => {
  it('hold no more constants than they may, and hand over what later ones read', () => {
    const pieces = piecesOf(tinyModel(drawing), 5 * 2 ** 20) ?? []
    const names = (values: readonly { name: string }[]) => values.map(({ name }) => name)
    assert.equal(pieces.length, 3)
    assert.deepEqual(names(pieces[0]?.model.graph.inputs ?? []), ['x'])
    const [first = ''] = names(pieces[0]?.model.graph.outputs ?? [])
    assert.ok(names(pieces[2]?.model.graph.inputs ?? []).includes(first))
    assert.ok(pieces[2]?.last.includes(first))
    assert.equal(pieces[1]?.last.includes(first), false)
    for (const { model } of pieces) assert.equal(model.graph.initializers.size, 1)
  })

  it('are none where one would do', () => {
    assert.equal(piecesOf(tinyModel(drawing), 2 ** 30), undefined)
  })
})
