import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { randomStream } from '../math/index.ts'
import { layersOf, type Model, Tensor } from '../onnx/index.ts'
import { tinyModel } from '../rewrite/tiny-model.ts'
import { openRuntime } from '../runtime/index.node.ts'
import { observeShapes, withSession } from '../runtime/index.ts'
import { pruneChannels, pruningGroups } from './prune.ts'

const runtime = await openRuntime({ threads: 1 })

function input(dims: readonly number[]) {
  const random = randomStream(1, 'prune')
  const size = dims.reduce((a, b) => a * b, 1)
  return { dtype: 'float32' as const, dims, data: Float32Array.from({ length: size }, () => random.normal()) }
}

async function run(model: Model, x: ReturnType<typeof input>): Promise<Float32Array> {
  const { y } = await withSession(runtime, model, {}, (session) => session.run({ x }))
  assert.ok(y?.data instanceof Float32Array)
  return y.data
}

/** Output channels of a layer made zero, weights and bias. */
function silence(model: Model, name: string, outputs: readonly number[]): void {
  const { node, weight, view, bias } = layersOf(model).find((layer) => layer.name === name)!
  const values = weight.floats().slice()
  for (const o of outputs)
    for (let i = 0; i < view!.inputsPerGroup; i++)
      for (let u = 0; u < view!.positions; u++)
        values[view!.offset(o) + i * view!.inputStride + u * view!.positionStride] = 0
  model.graph.initializers.set(node.inputs[1]!, Tensor.from('float32', weight.shape, values))
  if (!bias) return
  const shifts = bias.floats().map((value, o) => (outputs.includes(o) ? 0 : value))
  model.graph.initializers.set(node.inputs[2]!, Tensor.from('float32', bias.shape, shifts))
}

/** Channels 1 and 3 of the named layers are silenced and taken out: nothing may change but the sizes. */
function itIsExact(drawing: string, dims: readonly number[], names: readonly string[]): void {
  it(`leaves the function of ${drawing} when dead channels of ${names.join(' and ')} go`, async () => {
    const model = tinyModel(drawing)
    const x = input(dims)
    const shapes = await observeShapes(runtime, model, { x })
    const { groups } = pruningGroups(model, shapes)
    const group = groups.find((known) => known.writers.includes(names[0]!))
    assert.ok(group, JSON.stringify(pruningGroups(model, shapes)))
    for (const name of names) {
      assert.ok(group.writers.includes(name), `${name} is in the group`)
      silence(model, name, [1, 3])
    }
    const pruned = pruneChannels(model, shapes, [group.channels[1]!, group.channels[3]!])
    const [before, left] = [model, pruned].map((one) =>
      layersOf(one).reduce((sum, layer) => sum + layer.weight.size, 0),
    )
    assert.ok(left! < before!)
    const expected = await run(model, x)
    const got = await run(pruned, x)
    assert.equal(got.length, expected.length)
    expected.forEach((value, i) => {
      assert.ok(Math.abs(value - got[i]!) < 1e-4 * Math.max(1, Math.abs(value)))
    })
  })
}

describe('channel pruning', () => {
  after(() => runtime.close())

  itIsExact('x[N,3,8,8] -> Conv 3x3 3->6 pads=1,1,1,1 -> Relu -> Conv 3x3 6->4 -> y', [2, 3, 8, 8], ['Conv_v1'])
  itIsExact(
    'x[N,3,8,8] -> Conv 3x3 3->6 -> Relu -> Conv 3x3 6->6 group=6 -> d -> Relu -> Conv 1x1 6->4 -> y',
    [2, 3, 8, 8],
    ['Conv_v1', 'Conv_d'],
  )
  itIsExact(
    'x[N,3,8,8] -> Conv 1x1 3->6 -> a; x -> Conv 3x3 3->6 pads=1,1,1,1 -> b; a,b -> Add -> Relu -> Conv 1x1 6->4 -> y',
    [2, 3, 8, 8],
    ['Conv_a', 'Conv_b'],
  )
  itIsExact(
    'x[N,3,8,8] -> Conv 3x3 3->6 -> MaxPool 2x2 strides=2,2 -> Flatten -> Gemm 54->5 transB=1 -> y',
    [2, 3, 8, 8],
    ['Conv_v1'],
  )
  itIsExact(
    'x[N,3,8,8] -> Conv 1x1 3->6 -> a; x -> Conv 1x1 3->5 -> b; a,b -> Concat axis=1 -> Conv 1x1 11->4 -> y',
    [2, 3, 8, 8],
    ['Conv_a'],
  )
  itIsExact('x[N,7] -> Gemm 7->6 -> Relu -> Gemm 6->4 transB=1 -> y', [3, 7], ['Gemm_v1'])

  it('closes what an output, a softmax over channels or a constant with sizes holds, and names the operator', async () => {
    const model = tinyModel(
      'x[N,3,8,8] -> Conv 1x1 3->6 -> Softmax axis=1 -> Conv 1x1 6->6 -> b -> Reshape ints(-1,6,64) -> y',
    )
    const { groups, closed } = pruningGroups(model, await observeShapes(runtime, model, { x: input([1, 3, 8, 8]) }))
    assert.deepEqual(groups, [])
    assert.equal(closed.length, 2)
    assert.match(closed[0]!.reason, /Softmax/)
    assert.match(closed[1]!.reason, /Reshape|output/)
  })
})
