import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { InputError, UsageError } from '../base/index.ts'
import { parsePreprocess } from './preprocess.ts'
import { findPreset, presets } from './presets.ts'

describe('parsePreprocess', () => {
  it('keeps the settings and ignores explanations in words', () => {
    const parsed = parsePreprocess(
      { decode: 'rgb', resizeShortSide: 256, cropOffset: 'floor', crop: 224, scale: [1, 1, 1], remark: 'x' },
      'p.json',
    )
    assert.deepEqual(parsed, { resizeShortSide: 256, crop: 224, scale: [1, 1, 1] })
  })

  it('takes the "preprocess" of an object that holds one', () => {
    assert.deepEqual(parsePreprocess({ file: 'm.onnx', preprocess: { crop: 8 } }, 'p.json'), { crop: 8 })
  })

  it('survives a trip through JSON', () => {
    for (const preset of Object.values(presets))
      assert.deepEqual(parsePreprocess(JSON.parse(JSON.stringify(preset)), 'preset'), preset)
  })

  for (const [what, json, message] of [
    ['a mistyped setting', { resizeShortSid: 256 }, /p\.json.*"resizeShortSid".*did you mean "resizeShortSide"/],
    ['a wrong value', { channelOrder: 'GBR' }, /p\.json.*"channelOrder"/],
    ['two sizes', { resizeShortSide: 2, resizeTo: [2, 2] }, /not both/],
    ['letterbox without fill', { resizeTo: [2, 2], resizeMode: 'letterbox' }, /"fill"/],
    ['letterbox without size', { resizeMode: 'letterbox', fill: 0 }, /"resizeTo"/],
    ['a zero deviation', { std: [1, 0, 1] }, /"std" must not be 0/],
    ['too few channels', { channelOrder: 'RGB', mean: [1, 2] }, /"mean" has 2 values.*needs 3/],
    ['no object', 'imagenet', /p\.json/],
  ] as const)
    it(`refuses ${what} in one sentence`, () => {
      assert.throws(
        () => parsePreprocess(json, 'p.json'),
        (error) => {
          assert.ok(error instanceof InputError)
          assert.match(error.message, message)
          return true
        },
      )
    })
})

describe('findPreset', () => {
  it('suggests the right name', () => {
    assert.throws(
      () => findPreset('imagnet'),
      (error) => {
        assert.ok(error instanceof UsageError)
        assert.match(error.message, /did you mean "imagenet"\?.*raw255/)
        return true
      },
    )
  })

  it('does not take object keys for presets', () => {
    assert.throws(() => findPreset('constructor'), UsageError)
  })
})
