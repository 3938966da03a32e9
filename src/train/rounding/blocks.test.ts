import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { blocksOf } from './blocks.ts'

const sizes = (drawing: string) => blocksOf(tinyModel(drawing)).map(({ layers }) => layers.length)

describe('blocksOf', () => {
  it('joins neighbours up to four layers', () => {
    const conv = '-> Conv 3x3 4->4 pads=1,1,1,1 -> Relu'
    assert.deepEqual(sizes(`x[N,4,5,5] ${conv} ${conv} ${conv} ${conv} ${conv} -> y`), [4, 1])
  })

  it('keeps a residual block whole, also a long one', () => {
    const conv = '-> Conv 3x3 4->4 pads=1,1,1,1 -> Relu'
    const drawing = `x[N,4,5,5] -> Relu -> s ${conv} ${conv} ${conv} ${conv} ${conv} -> Add =s -> Relu -> Conv 1x1 4->2 -> y`
    assert.deepEqual(sizes(drawing), [5, 1])
    const [first] = blocksOf(tinyModel(drawing))
    assert.notEqual(first?.output, 's')
  })
})
