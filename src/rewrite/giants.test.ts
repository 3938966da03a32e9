import assert from 'node:assert/strict'
import { it } from 'node:test'
import { randomFeeds, testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { Tensor } from '../onnx/index.ts'
import { applyRewrites } from './apply.ts'
import { passes } from './passes.ts'

it('a giant whose size is computed from constants is refused before the model is run', async () => {
  const model = tinyModel('x[N,8] -> Add =row -> y; root[1] -> Mul =root -> size; size -> ConstantOfShape -> row')
  model.graph.inputs.splice(1)
  model.graph.initializers.set('root', Tensor.from('int64', [1], [1_000_000]))
  const feeds = randomFeeds(model)
  await assert.rejects(
    applyRewrites(await testRuntime(), { model, feeds }, passes),
    /node "ConstantOfShape_row" \(ConstantOfShape\) makes a value of 4\.0e\+3 GB/,
  )
})
