import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { InputError } from '../base/index.ts'
import { checkFeeds, fixedBatch } from './feeds.ts'

const { inputs } = tinyModel('x[N,3] -> Gemm 3->2 -> y').graph
const x = (dims: number[], length = dims.reduce((a, b) => a * b, 1)) => ({
  x: { dtype: 'float32' as const, dims, data: new Float32Array(length) },
})

describe('what is fed to a model', () => {
  it('is taken in any size of an open dimension', () => {
    for (const size of [1, 7]) checkFeeds(inputs, x([size, 3]))
  })

  for (const [what, feeds, message] of [
    ['an unknown name', { ...x([1, 3]), z: x([1]).x }, /no input "z"; its inputs are x/],
    ['no value', {}, /input "x" got no value/],
    ['another type', { x: { dtype: 'int32' as const, dims: [1, 3], data: new Int32Array(3) } }, /got int32\[1,3\]/],
    ['another fixed dimension', x([1, 4]), /got float32\[1,4\]/],
    ['another rank', x([3]), /got float32\[3\]/],
    ['too few values', x([2, 3], 5), /has 5 values, its shape \[2,3\] needs 6/],
  ] as const)
    it(`is refused with ${what}`, () => {
      assert.throws(
        () => checkFeeds(inputs, feeds),
        (error) => error instanceof InputError && message.test(error.message),
      )
    })

  it('comes in batches of a fixed size where the model has one', () => {
    assert.equal(fixedBatch(tinyModel('x[4,3] -> Gemm 3->2 -> y')), 4)
    assert.equal(fixedBatch(tinyModel('x[N,3] -> Gemm 3->2 -> y')), undefined)
  })
})
