import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { sumOfOutput } from '../../../test/support/sum-of-output.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import type { TensorValue } from '../../base/index.ts'
import { randomStream } from '../../math/index.ts'
import { GraphEditor, layersOf, type Model, Tensor } from '../../onnx/index.ts'
import { withSession } from '../../runtime/index.ts'
import { withValues } from '../values.ts'
import { withAdapterFile } from './adapter-file.ts'
import { findAdapters } from './adapters.ts'
import { type LoraTrainableModel, loraTrainableModel } from './lora-trainable-model.ts'

const random = (dims: readonly number[], purpose: string): TensorValue => {
  const stream = randomStream(3, purpose)
  return { dtype: 'float32', dims, data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, stream.normal) }
}

async function adapted(model: Model, dims: readonly number[]): Promise<LoraTrainableModel> {
  const options = { rank: 2, seed: 7, batch: dims[0] ?? 1, loss: [sumOfOutput] }
  return loraTrainableModel(await testRuntime(), model, { x: random([1, ...dims.slice(1)], 'sample') }, options)
}

/** Arrays that a training could have ended at. */
const moved = ({ initial }: LoraTrainableModel) =>
  new Map([...initial].map(([name, array]) => [name, array.map((value, i) => value + 0.1 * Math.sin(i + 1))]))

describe('low-rank adapters', () => {
  for (const [what, drawing, dims] of [
    ['MatMul of rank 3', 'x[N,3,12] -> MatMul 12->10 -> Tanh -> MatMul 10->9 -> y', [2, 3, 12]],
    ['Gemm with a bias, transposed', 'x[N,12] -> Gemm 12->10 transB=1 -> Tanh -> Gemm 10->9 -> y', [2, 12]],
  ] as const)
    it(`are merged into what they were beside the layer: ${what}`, async () => {
      const trainable = await adapted(tinyModel(drawing), dims)
      assert.equal(trainable.adapters.length, 2)
      const values = moved(trainable)
      const x = random(dims, 'x')
      const runtime = await testRuntime()
      const feeds = Object.fromEntries(
        trainable.graph.parameters.map(({ name, dims: own }) => [
          name,
          { dtype: 'float32' as const, dims: own, data: values.get(name)! },
        ]),
      )
      const beside = await withSession(runtime, trainable.graph.model, {}, (session) => session.run({ x, ...feeds }))
      const merged = await withSession(runtime, trainable.exported(values), {}, (session) => session.run({ x }))
      const sum = [...(merged['y']!.data as Float32Array)].reduce((a, b) => a + b, 0)
      const expected = Number(beside[trainable.graph.loss]!.data[0])
      assert.ok(Math.abs(sum - expected) < 1e-5 * Math.max(1, Math.abs(expected)), `${sum}, not ${expected}`)
    })

  it('change no weight at the start, and nothing but weights of their layers later', async () => {
    const model = tinyModel('x[N,12] -> Gemm 12->10 transB=1 -> Tanh -> Gemm 10->9 transB=1 -> y')
    const trainable = await adapted(model, [2, 12])
    const before = trainable.prepared.model.graph.initializers
    const same = (exported: Model) =>
      [...exported.graph.initializers].filter(([name, tensor]) => {
        const old = before.get(name)?.floats()
        return tensor.floats().every((value, i) => value === old?.[i])
      })
    assert.equal(same(trainable.exported(trainable.initial)).length, before.size)
    const kept = same(trainable.exported(moved(trainable))).map(([, { shape }]) => shape.length)
    assert.deepEqual(kept, [1, 1])
  })

  it('have random rows from the seed and zeros', async () => {
    const [first, second] = [0, 0].map(() => adapted(tinyModel('x[N,12] -> Gemm 12->10 -> y'), [2, 12]))
    const [a, b] = [(await first!).initial, (await second!).initial]
    assert.deepEqual(
      [...a].map(([name, { length }]) => [name.slice(0, 7), length]),
      [
        ['lora/A/', 24],
        ['lora/B/', 20],
      ],
    )
    assert.deepEqual([...a.values()], [...b.values()])
    assert.ok([...a.values()][1]?.every((value) => value === 0) && [...a.values()][0]?.every((value) => value !== 0))
  })

  it('as a file give the same model, merged into the one that they began at', async () => {
    const model = tinyModel('x[N,12] -> Gemm 12->10 transB=1 -> Tanh -> Gemm 10->2 -> y')
    const trainable = await adapted(model, [2, 12])
    const values = moved(trainable)
    const bytes = trainable.adapterFile!(values)
    const merged = withAdapterFile(model, bytes)
    const x = random([2, 12], 'x')
    const run = async (made: Model) => withSession(await testRuntime(), made, {}, (session) => session.run({ x }))
    const [one, other] = [await run(merged), await run(trainable.exported(values))]
    assert.deepEqual(one['y']!.data, other['y']!.data)
    assert.throws(() => withAdapterFile(tinyModel('x[N,12] -> Gemm 12->5 -> y'), bytes), /are these its adapters\?/)
    assert.throws(() => withAdapterFile(model, bytes.subarray(0, 40)), /is it a safetensors file of adapters\?/)
  })

  it('are one for layers that share a weight', async () => {
    const model = tinyModel('x[N,8] -> Gemm 8->8 transB=1 nobias -> Tanh -> Gemm 8->8 transB=1 nobias -> y')
    const editor = new GraphEditor(model)
    const [one, two] = editor.nodes('Gemm')
    editor.setInput(two!, 1, one!.inputs[1]!)
    const trainable = await adapted(editor.finish(), [2, 8])
    assert.equal(trainable.adapters.length, 1)
    assert.deepEqual(trainable.adapters[0]?.layers.length, 2)
  })
})

describe('layers', () => {
  it('with no more rows than the rank are trained themselves', async () => {
    const trainable = await adapted(
      tinyModel('x[N,12] -> Gemm 12->10 transB=1 -> Tanh -> Gemm 10->2 transB=1 -> y'),
      [2, 12],
    )
    assert.deepEqual(
      trainable.graph.parameters.map(({ dims }) => dims),
      [
        [2, 10],
        [12, 2],
        [2, 10],
      ],
    )
  })

  it('whose weight somebody else reads are left and named, matrices that move channels about are none', () => {
    const model = tinyModel(
      'x[N,4] -> Gemm 4->4 transB=1 -> h; h -> MatMul 4->4 -> r; r -> Gemm 4->4 transB=1 -> y; x -> Floor -> z',
    )
    const [first, rotation, last] = layersOf(model)
    const turned = Tensor.from('float32', [4, 4], [0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0])
    const rotated = withValues(model, new Map([[rotation!.node.inputs[1]!, turned.floats()]]))
    const editor = new GraphEditor(rotated)
    editor.addNode({ opType: 'Relu', inputs: [last!.node.inputs[1]!], outputs: ['w'] })
    editor.graph.outputs.push({ name: 'w', dtype: 'float32' })
    const { adapters, left } = findAdapters(editor.finish(), 2, () => true)
    assert.deepEqual(
      [adapters.map(({ layers }) => layers[0]?.name), left],
      [[first!.name], [`${last!.name}: Relu "w" reads its weight in another way`]],
    )
  })
})
