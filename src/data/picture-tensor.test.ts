import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { normalizeTables } from './normalize.ts'
import { pictureTransform } from './picture-tensor.ts'

/** Two pixels: red 10, green 20, blue 30, and 40, 50, 60. */
const picture = { width: 2, height: 1, data: Uint8Array.from([10, 20, 30, 40, 50, 60]) }

describe('pictureTransform', () => {
  it('makes planes [1, 3, H, W] in the order R, G, B', () => {
    const { dims, data } = pictureTransform({ channelOrder: 'RGB' })(picture)
    assert.deepEqual(dims, [1, 3, 1, 2])
    assert.deepEqual([...data], [10, 40, 20, 50, 30, 60])
  })

  it('turns the channels round for BGR, and takes scale, mean and std in that order', () => {
    const { data } = pictureTransform({ channelOrder: 'BGR', mean: [1, 2, 3] })(picture)
    assert.deepEqual([...data], [29, 59, 18, 48, 7, 37])
  })

  it('keeps pixels together for NHWC', () => {
    const { dims, data } = pictureTransform({ layout: 'NHWC', channelOrder: 'RGB' })(picture)
    assert.deepEqual(dims, [1, 1, 2, 3])
    assert.deepEqual([...data], [10, 20, 30, 40, 50, 60])
  })

  it('makes one channel of luma for grey, and keeps a grey pixel as it is', () => {
    const grey = { width: 3, height: 1, data: Uint8Array.from([7, 7, 7, 255, 255, 255, 255, 0, 0]) }
    const { dims, data } = pictureTransform({ channelOrder: 'grey' })(grey)
    assert.deepEqual(dims, [1, 1, 1, 3])
    assert.deepEqual([...data], [7, 255, 76])
  })
})

describe('normalizeTables', () => {
  it('computes (pixel * scale - mean) / std in float32, rounding every step', () => {
    const [table] = normalizeTables({ scale: 1 / 255, mean: 0.485, std: 0.229 }, 1)
    const f = Math.fround
    assert.equal(table![131], f(f(f(131 * f(1 / 255)) - f(0.485)) / f(0.229)))
    assert.notEqual(table![131], (131 / 255 - 0.485) / 0.229)
  })

  it('refuses lists that are not one per channel', () => {
    assert.throws(() => normalizeTables({ mean: [1, 2] }, 3), /"mean".*2 values.*3 channels/)
  })
})
