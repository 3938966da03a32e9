import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { UnsupportedError } from '../../base/index.ts'
import { parseRecipe } from '../../recipe/index.ts'
import { optionsFor, passesFor } from './options-for.ts'

const recipe = (fields: object = {}) => parseRecipe('quantize', { model: 'm.onnx', data: 'random', ...fields })
const at = (opset: number) => tinyModel('x[N,3] -> Gemm 3->2 -> y', { opset })

describe('the options of a quantisation', () => {
  it('quantise weights per tensor below the opset of grids per channel, and say so', () => {
    const notes: string[] = []
    assert.equal(optionsFor(at(11), recipe(), notes).weights, 'per-tensor')
    assert.match(notes.join(), /stays at opset 11, which has no grids per channel/)
    assert.equal(optionsFor(at(17), recipe(), notes).weights, 'per-channel')
    assert.equal(notes.length, 1)
  })

  it('refuse an opset without the grids that are asked for, in one sentence', () => {
    for (const [opset, fields, needed] of [
      [9, {}, /uint8 activations need opset 10/],
      [17, { activationType: 'uint16' }, /16-bit activations, int4 weights and blocks in plain ONNX need opset 21/],
    ] as const)
      assert.throws(
        () => optionsFor(at(opset), recipe(fields), []),
        (error) => error instanceof UnsupportedError && needed.test(error.message),
      )
  })

  it('lift further for wide types alone', () => {
    assert.deepEqual(
      passesFor(recipe({ activationType: 'int16' })).map(({ name }) => name),
      passesFor(recipe()).map(({ name }) => name),
    )
    assert.notEqual(passesFor(recipe({ activationType: 'int16' })), passesFor(recipe()))
    assert.equal(passesFor(recipe()), passesFor(recipe({ weights: 'per-tensor' })))
  })
})
