import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { completePreprocess, pictureInput } from './complete-preprocess.ts'
import { presets } from './presets.ts'

const input = (...shape: (number | string | null)[]) => ({ name: 'x', dtype: 'float32', shape })

describe('completePreprocess', () => {
  it('derives short side 256 and crop 224 for a 224x224 input, and says so', () => {
    const { preprocess, notes } = completePreprocess(undefined, input('N', 3, 224, 224))
    assert.equal(preprocess.resizeShortSide, 256)
    assert.equal(preprocess.crop, 224)
    assert.deepEqual(preprocess.mean, presets['imagenet']?.mean)
    assert.match(notes.join('; '), /short side 256, centre crop 224.*ImageNet mean/)
  })

  it('derives the size of a preset, and keeps its range without a note', () => {
    const { preprocess, notes } = completePreprocess(presets['inception'], input('N', 3, 160, 160))
    assert.deepEqual([preprocess.resizeShortSide, preprocess.crop, preprocess.mean], [182, 160, 0.5])
    assert.equal(notes.length, 1)
  })

  it('changes nothing that was given', () => {
    const given = { resizeTo: [96, 96], scale: 1, channelOrder: 'BGR', layout: 'NCHW' } as const
    assert.deepEqual(completePreprocess(given, input('N', 3, 96, 96)), { preprocess: given, notes: [] })
  })

  it('sees NHWC and grey in the shape', () => {
    assert.equal(completePreprocess(undefined, input('N', 96, 96, 3)).preprocess.layout, 'NHWC')
    const grey = completePreprocess(undefined, input('N', 1, 28, 28)).preprocess
    assert.deepEqual([grey.channelOrder, grey.layout, grey.mean], ['grey', 'NCHW', 0])
  })

  it('stretches for an input that is not square, and feeds a uint8 input pixels', () => {
    const { preprocess } = completePreprocess(undefined, { name: 'x', dtype: 'uint8', shape: [1, 3, 240, 320] })
    assert.deepEqual(preprocess.resizeTo, [240, 320])
    assert.equal(preprocess.scale, undefined)
  })

  it('takes 224, or the shape given, where the model leaves the size open', () => {
    assert.equal(completePreprocess(undefined, input('N', 3, null, null)).preprocess.crop, 224)
    assert.equal(completePreprocess(undefined, input('N', 3, null, null), [1, 3, 64, 64]).preprocess.crop, 64)
  })

  it('refuses a size or a number of channels that the input does not have', () => {
    const wrong = { resizeShortSide: 256, crop: 200, scale: 1 }
    assert.throws(() => completePreprocess(wrong, input('N', 3, 224, 224)), /200x200.*"x".*float32\[N,3,224,224\]/)
    assert.throws(() => completePreprocess({ channelOrder: 'grey' }, input('N', 3, 8, 8)), /1 channels.*"x"/)
  })
})

describe('pictureInput', () => {
  it('names all inputs when none takes pictures', () => {
    assert.throws(() => pictureInput([input('N', 40)]), /"x" float32\[N,40\].*\[N,3,H,W\]/)
  })
})
