import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { observeShapes } from '../runtime/index.ts'
import { splitCost, splitShapes, wholeShape } from './cost.ts'
import { measuredTime, timeLayers, timingKey } from './layer-times.ts'
import { surveyLayers } from './layers.ts'
import { outputSide, splits } from './splits/index.ts'

describe('times of single layers', async () => {
  const runtime = await testRuntime()

  for (const [drawing, dims] of [
    ['x[N,16,9,8] -> Conv 3x3 16->24 strides=2,1 pads=1,0,1,1 -> y', [1, 16, 9, 8]],
    ['x[N,16,9,8] -> Conv 3x3 16->16 group=2 pads=1,1,1,1 -> y', [1, 16, 9, 8]],
    ['x[N,16,20] -> Conv 5 16->8 pads=2,2 -> y', [1, 16, 20]],
    ['x[N,16] -> Gemm 16->8 transB=1 -> y', [1, 16]],
    ['x[N,5,16] -> MatMul 16->8 -> y', [1, 5, 16]],
  ] as const)
    it(`are found of ${drawing}, whole and split`, async () => {
      const model = tinyModel(drawing)
      const size = dims.reduce((a: number, b: number) => a * b, 1)
      const x = { dtype: 'float32' as const, dims: [...dims], data: new Float32Array(size) }
      const [layer] = surveyLayers(model, await observeShapes(runtime, model, { x })).layers
      assert.ok(layer, 'a layer')
      const shapes = [wholeShape(layer)]
      for (const split of splits) if (!split.refuse(layer.geometry)) shapes.push(...splitShapes(split, layer, 4))
      const timing = { warmups: 1, rounds: 2, limitMs: 10 }
      const times = await timeLayers(runtime, shapes, {}, { timing })
      assert.equal(times.size, new Set(shapes.map(timingKey)).size)
      for (const time of times.values()) assert.ok(time > 0, `${time}`)
      const cost = measuredTime(times)
      assert.ok(splitCost(cost, outputSide, layer, 4) < Number.POSITIVE_INFINITY, 'was timed')
      assert.equal(splitCost(cost, outputSide, layer, 5), Number.POSITIVE_INFINITY)
    })

  it('are taken from an earlier run where it has them', async () => {
    const model = tinyModel('x[N,16] -> Gemm 16->8 transB=1 -> y')
    const x = { dtype: 'float32' as const, dims: [1, 16], data: new Float32Array(16) }
    const [layer] = surveyLayers(model, await observeShapes(runtime, model, { x })).layers
    assert.ok(layer, 'a layer')
    const shape = wholeShape(layer)
    const kept: string[] = []
    const keep = (key: string) => void kept.push(key)
    const times = await timeLayers(runtime, [shape, shape], {}, { known: () => 3, keep })
    assert.deepEqual([...times.values(), ...kept], [3])
  })
})
