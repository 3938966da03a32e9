import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tinyModel } from '../../../../test/support/tiny-model.ts'
import { parseRecipe } from '../../../recipe/index.ts'
import { ratesOf } from '../../finetune/settings.ts'
import { movedPictures } from './finetune.node.ts'

const recipe = (more: Readonly<Record<string, unknown>>) =>
  parseRecipe('finetune', { model: 'm.onnx', data: 'd', ...more })

describe('training after a compression', () => {
  it('mirrors and moves colour pictures, by an eighth of the shorter side, and asks the teacher alone', () => {
    const model = tinyModel('x[N,3,32,48] -> Conv 3x3 3->4 -> y')
    assert.deepEqual(movedPictures(model), { loss: 'distill', flip: true, shift: 4 })
  })

  it('leaves other samples as they are: grey maps may be spectra, and nothing says that they have mirror images', () => {
    for (const drawing of ['x[N,1,28,28] -> Conv 3x3 1->4 -> y', 'x[N,3] -> Gemm 3->4 -> y'])
      assert.deepEqual(movedPictures(tinyModel(drawing)), {})
  })

  it('takes steps twice as large where a teacher answers for moved samples', () => {
    const free = { matched: false }
    const still = ratesOf(recipe({ teacher: 't.onnx' }), free).rate
    assert.equal(ratesOf(recipe({ teacher: 't.onnx', flip: true }), free).rate, 2 * still)
    assert.equal(ratesOf(recipe({ flip: true }), free).rate, still)
    assert.equal(ratesOf(recipe({ teacher: 't.onnx', flip: true, lr: 0.1 }), free).rate, 0.1)
  })

  it('takes larger steps of Muon where inner tensors hold on to the teacher', () => {
    const [free, matched] = [false, true].map((inner) => ratesOf(recipe({ optimizer: 'muon' }), { matched: inner }))
    assert.ok(free && matched && matched.rate > free.rate && free.relative, `${free?.rate} and ${matched?.rate}`)
  })
})
