import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { randomFeeds } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import type { Shapes } from '../onnx/index.ts'
import { openRuntime } from './index.node.ts'
import { observe } from './observe.ts'
import type { Runtime } from './session.ts'

const runtime = await openRuntime({ threads: 1 })
after(() => runtime.close())

it('observes with optimisation where an inference is known to take seconds, and sees the same', async () => {
  const levels: unknown[] = []
  const listening: Runtime = {
    ...runtime,
    open: (model, options) => {
      levels.push(options?.optimization)
      return runtime.open(model, options)
    },
  }
  const model = tinyModel('x[1,3,8,8] -> Conv 3x3 3->4 -> Relu -> Flatten -> Gemm 144->5 -> y')
  const feeds = randomFeeds(model)
  const once = await observe(listening, model, feeds)
  const large: Shapes = new Map([...once.shapes, ['map', { dtype: 'float32', dims: [1, 64, 4096, 4096] }]])
  const again = await observe(listening, model, feeds, { known: large })
  assert.deepEqual(levels, ['disabled', 'all'])
  assert.deepEqual([...again.shapes], [...once.shapes])
  const [a, b] = [once.outputs['y']?.data, again.outputs['y']?.data]
  for (const [i, value] of Array.from(a ?? [], Number).entries()) assert.ok(Math.abs(value - Number(b?.[i])) < 1e-5)
})

it('goes by what a model gives, and not by the shape that it declares wrongly', async () => {
  const model = tinyModel('x[N,192] -> Gemm 192->12 -> Relu -> Gemm 12->12 -> Relu -> Reshape ints(0,3,4) -> y')
  const [output] = model.graph.outputs
  assert.ok(output, 'the model has an output')
  model.graph.outputs.splice(0, 1, { ...output, shape: ['N', 12] })
  const { shapes } = await observe(runtime, model, randomFeeds(model))
  assert.deepEqual(shapes.get('y')?.dims.slice(1), [3, 4])
})
