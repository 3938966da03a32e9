import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseAnyRecipe, parseRecipe, recipeDefaults } from '../recipe/index.ts'
import { commandLineOf } from './command-line.ts'

const needed: Readonly<Record<string, Record<string, unknown>>> = { compare: { other: 'b.onnx' } }

describe('the command line of a recipe', () => {
  for (const command of ['quantize', 'rewrite', 'evaluate', 'compare', 'compress'] as const) {
    it(`says nothing of what ${command} does by default`, () => {
      const recipe = parseAnyRecipe({ command, model: 'a.onnx', data: 'images', ...needed[command] })
      const other = command === 'compare' ? ' b.onnx' : ''
      assert.equal(commandLineOf(recipe), `onnxpress ${command} a.onnx${other} --data images`)
    })
  }

  it('says what differs, in the words of the command line', () => {
    const recipe = parseRecipe('quantize', {
      model: 'my model.onnx',
      data: 'images',
      weights: 'per-tensor',
      exif: true,
      exclude: ['a', 'b*'],
      shape: { x: [1, 3] },
    })
    assert.equal(
      commandLineOf(recipe),
      "onnxpress quantize 'my model.onnx' --data images --exif --shape x:1x3 --weights per-tensor --exclude a --exclude 'b*'",
    )
  })

  it('joins the numbers of one option', () => {
    const recipe = parseRecipe('compress', { model: 'a.onnx', data: 'images', macs: [0.5, 0.25] })
    assert.equal(commandLineOf(recipe), 'onnxpress compress a.onnx --data images --macs 0.5,0.25')
  })

  it('takes defaults from the schema alone', () => {
    assert.equal(recipeDefaults('quantize')['weights'], 'per-channel')
    assert.equal(recipeDefaults('evaluate')['samples'], undefined)
  })
})
