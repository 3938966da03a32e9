import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseRecipe } from './recipe.ts'

describe('the number of samples', () => {
  const given = { model: 'a.onnx', data: 'b' }

  it('is 64 for quantize, 128 where weights of 4 bits are refitted, and what was said', () => {
    const samples = (more: object) => {
      const recipe = parseRecipe({ command: 'quantize', ...given, ...more })
      return 'samples' in recipe ? recipe.samples : undefined
    }
    assert.deepEqual([samples({}), samples({ weightBits: 4 }), samples({ weightBits: 4, samples: 7 })], [64, 128, 7])
    assert.deepEqual([samples({ tune: 'bias' }), samples({ tune: 'bias', samples: 7 })], [384, 7])
  })

  it('is all of them for a training, whatever the bits', () => {
    const recipe = parseRecipe({ command: 'finetune', ...given, qat: true, weightBits: 4 })
    assert.equal('samples' in recipe, false)
  })
})
