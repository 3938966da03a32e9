import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { layersOf, type Model, nodeName } from '../onnx/index.ts'
import { profileKernels } from '../runtime/index.node.ts'
import { zeroFeeds } from './inspect.ts'
import { timesOfNodes } from './node-times.ts'

describe('times of nodes', async () => {
  const runtime = await testRuntime()
  const drawing =
    'x[N,16,12,12] -> Conv 3x3 16->16 pads=1,1,1,1 -> Clip number(0) number(6) -> Conv 1x1 16->16 -> Relu -> MaxPool 2x2 -> Conv 3x3 16->8 -> Flatten -> Gemm 648->4 -> y'
  const times = async (model: Model) =>
    timesOfNodes(model, await profileKernels(runtime, model, zeroFeeds(model), { warmups: 1, rounds: 3 }))

  it('finds every layer, whatever ONNX Runtime calls what it made of it', async () => {
    const model = tinyModel(drawing)
    const found = await times(model)
    for (const { node } of layersOf(model))
      assert.ok((found[nodeName(node)] ?? -1) >= 0, `${nodeName(node)} has no time`)
  })

  it('gives the time of a fused kernel to its layer', () => {
    const model = tinyModel('x[N,3,8,8] -> Conv 3x3 3->4 -> a -> Relu -> b -> MaxPool 2x2 -> y')
    const kernels = [
      { name: 'b_nchwc', op: 'Conv', milliseconds: 2 },
      { name: 'MaxPool_y_token_7', op: 'MaxPool', milliseconds: 1 },
      { name: 'ReorderOutput_token_3', op: 'ReorderOutput', milliseconds: 4 },
    ]
    assert.deepEqual(timesOfNodes(model, kernels), { Conv_a: 2, MaxPool_y: 1 })
  })
})
