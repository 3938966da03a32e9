import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomFeeds, run } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import type { TensorStatistics } from '../calibrate/index.ts'
import { sqnrDb } from '../math/index.ts'
import { GraphEditor, type Model, makeModel, makeNode, Tensor } from '../onnx/index.ts'
import { typesOf } from '../runtime/index.ts'
import { insertQdq } from './insert.ts'
import { type QuantizeOptions, quantizeDefaults } from './options.ts'
import { place } from './placement/placement.ts'
import { makePlan } from './plan.ts'
import { sharedCodesUnsigned } from './shared-codes.ts'
import { toDynamic } from './to-dynamic.ts'

/** The Q/DQ form with ranges between −`reach` and `reach`. */
function quantized(model: Model, reach: number, options: Partial<QuantizeOptions> = {}): Model {
  const all = { ...quantizeDefaults, ...options }
  const placement = place(model, all, typesOf(model))
  const seen: TensorStatistics = { count: 1, nonFinite: 0, zeros: 0, min: -reach, max: reach }
  const statistics = new Map([...placement.tensors.keys()].map((value) => [value, seen]))
  return insertQdq(model, makePlan(model, placement, { statistics, options: all }))
}

const countOf = (model: Model, opType: string) => model.graph.nodes.filter((node) => node.opType === opType).length

async function db(float: Model, other: Model): Promise<number> {
  const feeds = randomFeeds(float)
  const [a, b] = [await run(float, feeds), await run(other, feeds)]
  return sqnrDb(a['y']?.data as Float32Array, b['y']?.data as Float32Array) ?? 99
}

describe('dynamic ranges', () => {
  for (const [form, drawing] of [
    [
      'a MatMul with an Add behind it',
      'x[N,6,32] -> MatMul 32->48 -> Add floats[48] -> Tanh -> a; a -> MatMul 48->16 -> y',
    ],
    ['a Gemm with a bias', 'x[N,32] -> Gemm 32->48 -> Tanh -> a; a -> Gemm 48->16 -> y'],
    ['a Gemm with its weight transposed', 'x[N,32] -> Gemm 32->48 transB=1 -> y'],
  ] as const)
    it(`do not clip, whatever was calibrated: ${form}`, async () => {
      const model = tinyModel(drawing)
      const fixed = quantized(model, 0.05)
      const dynamic = toDynamic(fixed)
      assert.ok((await db(model, fixed)) < 10, 'the static ranges are far too narrow')
      const kept = await db(model, dynamic)
      assert.ok(kept > 30, `${kept} dB`)
      assert.equal(
        countOf(dynamic, 'MatMulInteger'),
        model.graph.nodes.filter(({ opType }) => /MatMul|Gemm/.test(opType)).length,
      )
      assert.equal(countOf(dynamic, 'QuantizeLinear'), 0)
    })

  it('are found once for layers that read one value', () => {
    const model = tinyModel('x[N,6,32] -> MatMul 32->48 -> a; x -> MatMul 32->48 -> b; a,b -> Add -> y')
    assert.equal(countOf(toDynamic(quantized(model, 1)), 'DynamicQuantizeLinear'), 1)
  })

  it('leave convolutions, and what they hand on, on static grids', async () => {
    const model = tinyModel('x[N,4,6,6] -> Conv 1x1 4->8 -> Relu -> r; r -> Flatten -> f; f -> Gemm 288->16 -> y')
    const fixed = quantized(model, 6)
    const dynamic = toDynamic(fixed)
    assert.equal(countOf(dynamic, 'ConvInteger'), 0)
    assert.equal(countOf(dynamic, 'MatMulInteger'), 0, 'the Gemm reads the codes of the convolution')
    assert.equal(await db(model, dynamic), await db(model, fixed))
  })

  it('keep the names of layers on the integer products', () => {
    const model = tinyModel('x[N,32] -> MatMul 32->48 -> y')
    const [own] = model.graph.nodes
    const product = toDynamic(quantized(model, 1)).graph.nodes.find(({ opType }) => opType === 'MatMulInteger')
    assert.equal(product?.name, own?.name || own?.outputs[0])
  })
})

/** x → MatMul W → Tanh → MatMul W → y. */
function twice(): Model {
  const ramp = Float32Array.from({ length: 1024 }, (_, i) => Math.sin(i * 0.7) / 4)
  return makeModel({
    name: 'twice',
    inputs: [{ name: 'x', dtype: 'float32', shape: ['N', 32] }],
    outputs: [{ name: 'y', dtype: 'float32' }],
    nodes: [
      makeNode({ opType: 'MatMul', name: 'first', inputs: ['x', 'W'], outputs: ['h'] }),
      makeNode({ opType: 'Tanh', inputs: ['h'], outputs: ['t'] }),
      makeNode({ opType: 'MatMul', name: 'second', inputs: ['t', 'W'], outputs: ['y'] }),
    ],
    initializers: { W: Tensor.from('float32', [32, 32], ramp) },
  })
}

describe('the codes of dynamic layers', () => {
  it('are stored once where layers share them', () => {
    const { initializers } = toDynamic(quantized(twice(), 2)).graph
    const codes = [...initializers.values()].filter(({ shape }) => shape.join() === '32,32')
    assert.deepEqual(
      codes.map(({ dtype }) => dtype),
      ['uint8'],
    )
  })

  it('stay int8 where an embedding is stored in the same, transposed', () => {
    const model = quantized(twice(), 2)
    const [name = ''] = [...model.graph.initializers].flatMap(([key, { shape }]) =>
      shape.join() === '32,32' ? [key] : [],
    )
    const codes = new Int8Array(model.graph.initializers.get(name)?.bytes ?? [])
    const turned = codes.map((_, at) => codes[(at % 32) * 32 + Math.floor(at / 32)] ?? 0)
    model.graph.initializers.set('table', Tensor.from('int8', [32, 32], turned))
    model.graph.nodes.push(makeNode({ opType: 'Gather', inputs: ['table', 'ids'], outputs: ['picked'] }))
    model.graph.inputs.push({ name: 'ids', dtype: 'int64', shape: [1] })
    model.graph.outputs.push({ name: 'picked', dtype: 'int8' })
    assert.ok(toDynamic(model).graph.initializers.has(name), 'they are there')
  })
})

describe('codes that several layers read', () => {
  it('are uint8, give the same numbers, and load where byte products must be exact', async () => {
    const signed = quantized(twice(), 2)
    const unsigned = sharedCodesUnsigned(signed)
    const codes = [...unsigned.graph.initializers.values()].filter(({ shape }) => shape.join() === '32,32')
    assert.deepEqual(
      codes.map(({ dtype }) => dtype),
      ['uint8'],
    )
    const feeds = randomFeeds(twice())
    const got = (await run(unsigned, feeds))['y']?.data as Float32Array
    // The file with int8 codes does not load on every CPU: the sums it stands for are those of layers of their own.
    const editor = new GraphEditor(signed)
    const [name = ''] = [...signed.graph.initializers].flatMap(([key, { shape }]) =>
      shape.join() === '32,32' ? [key] : [],
    )
    const last = editor.consumers(name).at(-1)
    const tensor = signed.graph.initializers.get(name)
    assert.ok(last && tensor, 'it has readers')
    editor.setConstant(last, last.inputs.indexOf(name), tensor)
    const apart = (await run(editor.finish(), feeds))['y']?.data as Float32Array
    const kept = sqnrDb(apart, got) ?? 999
    assert.ok(kept > 60, `${kept} dB`)
  })

  it('stay int8 where a Gather picks their rows too', () => {
    const model = quantized(twice(), 2)
    const [name = ''] = [...model.graph.initializers].flatMap(([key, { shape }]) =>
      shape.join() === '32,32' ? [key] : [],
    )
    model.graph.nodes.push(makeNode({ opType: 'Gather', inputs: [name, 'ids'], outputs: ['picked'] }))
    model.graph.inputs.push({ name: 'ids', dtype: 'int64', shape: [1] })
    model.graph.outputs.push({ name: 'picked', dtype: 'int8' })
    assert.equal(sharedCodesUnsigned(model), model)
  })
})
