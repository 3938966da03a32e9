import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { itKeepsTheFunction, itLeavesAlone } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { Tensor } from '../onnx/index.ts'
import { scalarBounds } from './scalar-bounds.ts'

describe('scalar-bounds', () => {
  const drawing = 'x[N,3,8,8] -> Conv 3x3 3->4 -> Clip number(0) number(0.5) -> y'

  function ranked() {
    const model = tinyModel(drawing)
    const clip = model.graph.nodes.find(({ opType }) => opType === 'Clip')
    for (const [index, bound] of [0, 0.5].entries())
      model.graph.initializers.set(clip?.inputs[index + 1] ?? '', Tensor.from('float32', [1], [bound]))
    return model
  }

  itKeepsTheFunction(scalarBounds, ranked(), {
    and: ({ model }) => {
      const clip = model.graph.nodes.find(({ opType }) => opType === 'Clip')
      for (const name of clip?.inputs.slice(1) ?? []) assert.deepEqual(model.graph.initializers.get(name)?.shape, [])
    },
  })
  itLeavesAlone(scalarBounds, drawing)
})
