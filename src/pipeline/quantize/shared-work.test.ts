import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseRecipe, type QuantizeRecipe } from '../../recipe/index.ts'
import { SharedWork } from './shared-work.ts'

const recipe = (more: Partial<QuantizeRecipe>) => parseRecipe('quantize', { model: 'm.onnx', data: 'images', ...more })
const q8 = recipe({ mode: 'dynamic' })
const q4 = recipe({ mode: 'weights', weightBits: 4 })
const q4f16 = recipe({ mode: 'weights', weightBits: 4, float16: true })

/** How often a step was worked on. */
function counted() {
  const shared = new SharedWork()
  let times = 0
  const ask = (step: 'codes' | 'rewrite', of: QuantizeRecipe) => shared.once(step, of, async () => ++times)
  return { shared, ask }
}

describe('what several quantisations share', () => {
  it('is the codes where only the form of the file differs, and nothing where the recipe does', async () => {
    const { ask } = counted()
    assert.equal(await ask('codes', q4), await ask('codes', q4f16))
    assert.notEqual(await ask('codes', q4), await ask('codes', q8))
  })

  it('is forgotten when none that is left shares it', async () => {
    const { shared, ask } = counted()
    const [codes, rewritten] = [await ask('codes', q4), await ask('rewrite', q8)]
    shared.keepFor([q4f16])
    assert.equal(await ask('codes', q4f16), codes)
    assert.notEqual(await ask('rewrite', q8), rewritten)
  })
})
