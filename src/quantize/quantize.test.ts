import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { calibrate } from '../calibrate/index.ts'
import type { Batch } from '../data/index.ts'
import { randomStream, sqnrDb } from '../math/index.ts'
import { GraphEditor, type Model, printModel, Tensor } from '../onnx/index.ts'
import { applyRewrites, passes } from '../rewrite/index.ts'
import { optimizedGraph } from '../runtime/index.node.ts'
import { typesOf, type Values, withSession } from '../runtime/index.ts'
import { insertQdq } from './insert.ts'
import { lintFusion } from './lint.ts'
import { type QuantizeOptions, quantizeDefaults } from './options.ts'
import { floatLayers, place } from './placement/placement.ts'
import { makePlan, tensorsToObserve } from './plan.ts'

const { target } = quantizeDefaults

const runtime = await testRuntime()

function feedsOf(model: Model, seed = 1): Values {
  return Object.fromEntries(
    model.graph.inputs.map((input) => {
      const random = randomStream(seed, input.name)
      const dims = (input.shape ?? []).map((dim) => (typeof dim === 'number' ? dim : 1))
      const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, random.normal)
      return [input.name, { dtype: 'float32' as const, dims, data }]
    }),
  )
}

/** The whole way on a drawn model, calibrated on eight random samples. */
async function quantized(model: Model, options: Partial<QuantizeOptions> = {}) {
  const all = { ...quantizeDefaults, ...options }
  const prepared = await applyRewrites(runtime, { model, feeds: feedsOf(model) }, passes)
  const placement = place(prepared.model, all, typesOf(prepared.model))
  async function* samples(): AsyncGenerator<Batch> {
    for (let seed = 1; seed <= 8; seed++) yield { ids: [`${seed}`], size: 1, inputs: feedsOf(model, seed) }
  }
  const requests = tensorsToObserve(placement).map(({ value }) => ({ value }))
  const statistics = await calibrate(runtime, prepared.model, samples(), {
    requests,
    shapes: prepared.shapes,
    total: 8,
  })
  const plan = makePlan(prepared.model, placement, { statistics, options: all })
  const written = insertQdq(prepared.model, plan)
  const kernels = lintFusion(written, await optimizedGraph(runtime, written), target)
  return { written, plan, kernels, float: floatLayers(prepared.model, placement) }
}

const run = (model: Model, simulate: boolean) =>
  withSession(runtime, model, { simulate }, (session) => session.run(feedsOf(model, 1))).then(
    (values) => Object.values(values)[0]?.data as Float32Array,
  )

/** Drawings whose every layer has an integer kernel. */
const integer: Readonly<Record<string, string>> = {
  'a convolution with Relu': 'x[N,4,8,8] -> Conv 3x3 4->8 -> Relu -> Conv 3x3 8->4 -> y',
  'a residual block':
    'x[N,4,8,8] -> Conv 1x1 4->4 -> a; a -> Conv 3x3 4->4 pads=1,1,1,1 -> b; a -> Add =b -> Relu -> Conv 1x1 4->4 -> y',
  'a depthwise convolution': 'x[N,4,8,8] -> Conv 3x3 4->4 group=4 -> Relu -> Conv 1x1 4->6 -> y',
  'a leaky activation': 'x[N,4,8,8] -> Conv 3x3 4->8 -> LeakyRelu -> Conv 1x1 8->4 -> y',
  'a pool between convolution and Relu':
    'x[N,4,8,8] -> Conv 3x3 4->8 -> MaxPool kernel_shape=2,2 strides=2,2 -> Relu -> Conv 1x1 8->4 -> y',
  'a classifier behind a global pool':
    'x[N,4,8,8] -> Conv 3x3 4->8 -> Relu -> GlobalAveragePool -> Conv 1x1 8->10 -> y',
  'an activation without an integer kernel': 'x[N,4,8,8] -> Conv 3x3 4->8 -> HardSwish -> Conv 1x1 8->4 -> y',
  'a Gemm with Relu in front of a float operator': 'x[N,8] -> Gemm 8->6 -> Relu -> Tanh -> Gemm 6->4 -> y',
  'a Gemm with Clip in front of a float operator':
    'x[N,8] -> Gemm 8->6 -> Clip number(0) number(6) -> Tanh -> Gemm 6->4 -> y',
  'a product with Relu in front of a float operator': 'x[N,3,8] -> MatMul 8->6 -> Relu -> Tanh -> MatMul 6->4 -> y',
}

describe('quantisation', () => {
  for (const dilations of ['1,1', '2,2'])
    it(`of layers around an average pool with dilations=${dilations} gives a file that runs`, async () => {
      const pool = `AveragePool kernel_shape=2,2 dilations=${dilations}`
      const drawing = `x[N,4,8,8] -> Conv 3x3 4->8 -> Relu -> ${pool} -> Conv 1x1 8->4 -> y`
      const model = tinyModel(drawing, { opset: 19 })
      const { written, kernels } = await quantized(model)
      const [before, after] = [await run(model, false), await run(written, false)]
      assert.ok((sqnrDb(before, after) ?? 99) > 30, printModel(written))
      assert.ok(kernels.every(({ integer }) => integer))
    })

  it('keeps layers in integers before a Clip that keeps 0 out', async () => {
    const drawing = 'x[N,4,8,8] -> Conv 3x3 4->8 -> Clip number(0.5) number(6) -> Conv 1x1 8->4 -> y'
    const { written, kernels } = await quantized(tinyModel(drawing))
    assert.deepEqual(
      kernels.map(({ integer }) => integer),
      [true, true],
      printModel(written),
    )
  })

  it('spends no codes on what a HardSwish does not hear', async () => {
    const { plan } = await quantized(
      tinyModel('x[N,4,8,8] -> Mul number(30) -> Conv 3x3 4->8 -> a; a -> HardSwish -> Conv 1x1 8->4 -> y'),
    )
    const grid = plan.activations.get('a')
    assert.ok(grid && (grid.observed?.min ?? 0) < -4, `${grid?.observed?.min} was seen`)
    assert.ok(grid.low > -3.2 && grid.low < -2.5 && grid.high >= (grid.observed?.max ?? 0) * 0.99)
  })

  it('puts no grid on an input with a default, which may be fed anything', async () => {
    const drawn = tinyModel('x[N,4,8,8] -> Conv 3x3 4->4 -> a; a -> Add =extra -> Conv 1x1 4->4 -> y')
    const info = { name: 'extra', dtype: 'float32', shape: [4, 1, 1] } as const
    const value = Tensor.from('float32', [4, 1, 1], [1, 2, 3, 4])
    const model = { ...drawn, graph: { ...drawn.graph, overridable: new Map([['extra', { info, value }]]) } }
    const { written, plan } = await quantized(model)
    assert.deepEqual([...plan.activations.keys()].includes('extra'), false)
    assert.ok(written.graph.nodes.some(({ opType, inputs }) => opType === 'Add' && inputs.includes('extra')))
    assert.ok((sqnrDb(await run(model, false), await run(written, false)) ?? 99) > 30)
  })

  for (const [what, drawing] of Object.entries(integer)) {
    it(`runs ${what} in integers, and simulates what it deploys`, async () => {
      const model = tinyModel(drawing)
      const { written, kernels } = await quantized(model)
      assert.deepEqual(
        kernels.filter((kernel) => !kernel.integer),
        [],
        printModel(written),
      )
      const [float, simulated, deployed] = [
        await run(model, false),
        await run(written, true),
        await run(written, false),
      ]
      const db = sqnrDb(simulated, deployed)
      assert.ok(db === null || db > 35, `deployed against simulated: ${db} dB`)
      assert.ok((sqnrDb(float, deployed) ?? 99) > 20, 'against float')
    })
  }

  const moved: Readonly<Record<string, string>> = {
    'nearest Resize':
      'Resize = = ints(1,8,12,12) mode=nearest coordinate_transformation_mode=asymmetric nearest_mode=floor',
    DepthToSpace: 'DepthToSpace blocksize=2 -> Conv 1x1 2->8 -> Relu',
    Tile: 'Tile ints(1,1,2,2)',
  }
  for (const [what, step] of Object.entries(moved)) {
    it(`moves codes through ${what}: nothing becomes float in between`, async () => {
      const model = tinyModel(`x[N,4,8,8] -> Conv 3x3 4->8 -> Relu -> ${step} -> Conv 1x1 8->4 -> y`)
      const { written, kernels } = await quantized(model)
      assert.ok(kernels.every((kernel) => kernel.integer))
      const ops = (await optimizedGraph(runtime, written)).graph.nodes.map((node) => node.opType)
      assert.equal(ops.filter((op) => op === 'QuantizeLinear' || op === 'DequantizeLinear').length, 2, ops.join())
    })
  }

  it('leaves a linear Resize in float between two integer regions', async () => {
    const model = tinyModel(
      'x[N,4,8,8] -> Conv 3x3 4->8 -> Resize = = ints(1,8,12,12) mode=linear -> Conv 1x1 8->4 -> y',
    )
    const { written, kernels } = await quantized(model)
    assert.ok(kernels.every((kernel) => kernel.integer))
    const ops = (await optimizedGraph(runtime, written)).graph.nodes.map((node) => node.opType)
    assert.equal(ops.filter((op) => op === 'QuantizeLinear').length, 2, ops.join())
  })

  it('keeps the grid behind Clip inside its bounds, so that it fuses', async () => {
    const model = tinyModel('x[N,4,8,8] -> Conv 3x3 4->8 -> Clip number(0) number(0.1) -> Conv 1x1 8->4 -> y')
    const { kernels, plan } = await quantized(model)
    assert.equal(
      kernels.every((kernel) => kernel.integer),
      true,
    )
    assert.ok(
      [...plan.activations.values()].some(
        (grid) => grid.low === 0 && grid.high <= Math.fround(0.1) && grid.high > 0.0999,
      ),
    )
  })

  it('gives a graph output its own name, and its readers the grid', async () => {
    const { written } = await quantized(tinyModel('x[N,4,8,8] -> Conv 3x3 4->8 -> Relu -> a!; a -> Conv 1x1 8->4 -> y'))
    assert.deepEqual(written.graph.outputs.map(({ name }) => name).sort(), ['a', 'y'])
    assert.equal(written.graph.nodes.find((node) => node.outputs.includes('a'))?.opType, 'DequantizeLinear')
  })

  it('leaves two activations that are multiplied float, and says so', async () => {
    const model = tinyModel('x[N,4,4] -> MatMul floats[4,4] -> a; a -> MatMul =a -> y')
    const placement = place(model, quantizeDefaults, typesOf(model))
    assert.ok([...placement.reasons.values()].some(({ text }) => text === 'both operands are activations'))
  })

  it('does not let an attention mask set a range', async () => {
    const model = tinyModel(
      'x[N,4,4] -> MatMul floats[4,4] -> a; a -> Add floats[4,4] -> b; b -> Softmax -> c; c -> MatMul floats[4,4] -> y',
    )
    const editor = new GraphEditor(model)
    const add = editor.nodes('Add')[0]
    assert.ok(add)
    editor.setConstant(add, 1, Tensor.from('float32', [4, 4], new Float32Array(16).fill(-1e9)))
    const masked = editor.finish()
    const placement = place(masked, quantizeDefaults, typesOf(masked))
    assert.equal(placement.tensors.has('b'), false)
  })

  it('stores a weight that two layers share once', async () => {
    const editor = new GraphEditor(tinyModel('x[N,4] -> MatMul floats[4,4] -> MatMul floats[4,4] -> y'))
    const [first, second] = editor.nodes('MatMul')
    assert.ok(first && second)
    editor.setInput(second, 1, first.inputs[1] ?? '')
    const { written, kernels } = await quantized(editor.finish())
    assert.equal(kernels.filter((kernel) => kernel.integer).length, 2)
    assert.equal(
      [...written.graph.initializers.values()].filter(({ dtype, size }) => dtype === 'int8' && size === 16).length,
      1,
    )
  })

  it('keeps an excluded layer between integer ones float, which ONNX Runtime would quantise itself', async () => {
    const drawing = 'x[N,4,8,8] -> Conv 3x3 4->8 -> Relu -> a; a -> Conv 1x1 8->8 -> b; b -> Conv 1x1 8->4 -> y'
    const { written, kernels } = await quantized(tinyModel(drawing), { exclude: ['Conv_b'] })
    assert.deepEqual(
      kernels.map(({ integer }) => integer),
      [true, false, true],
    )
    // The fact itself, without the protection: when this fails, the protection can go.
    const editor = new GraphEditor(written)
    for (const node of editor.nodes('LeakyRelu')) {
      editor.redirect(node.outputs[0] ?? '', node.inputs[0] ?? '')
      editor.removeNode(node)
    }
    const bare = editor.finish()
    const requantized = lintFusion(bare, await optimizedGraph(runtime, bare), target).filter(
      (kernel) => kernel.requantized,
    )
    assert.deepEqual(
      requantized.map(({ name }) => name),
      ['Conv_b'],
    )
  })

  it('gives scalars rank 0: with shape [1] ONNX Runtime does not fuse', async () => {
    const { written } = await quantized(tinyModel('x[N,4,8,8] -> Conv 3x3 4->8 -> Relu -> y'))
    for (const [name, tensor] of written.graph.initializers)
      if (/^x\/(scale|zero_point)/.test(name)) assert.deepEqual(tensor.shape, [])
  })
})

describe('facts of ONNX Runtime that the placement relies on', () => {
  const grid = { low: -1, high: 1 }
  it('a range that leaves the Clip does not fuse; when this fails the rule can go', async () => {
    const model = tinyModel('x[N,4,8,8] -> Conv 3x3 4->8 -> Clip number(0) number(0.1) -> y')
    const { written, plan } = await quantized(model)
    const name = [...plan.activations].find(([, seen]) => seen.low === 0)?.[0] ?? ''
    const editor = new GraphEditor(written)
    for (const node of editor.nodes('QuantizeLinear', 'DequantizeLinear'))
      if (node.inputs[1]?.startsWith(`${name}/scale`)) editor.setConstant(node, 1, Tensor.scalar(grid.high / 100))
    const wide = editor.finish()
    // Refusing the session is the runtime's other way to say so.
    const kernels = await optimizedGraph(runtime, wide).then(
      (graph) => lintFusion(wide, graph, target),
      () => [],
    )
    assert.equal(
      kernels.some((kernel) => kernel.integer),
      false,
    )
  })

  it('names the scale with a rank that keeps a convolution from its integer kernel', async () => {
    const { written } = await quantized(
      tinyModel('x[N,4,8,8] -> Conv 3x3 4->8 -> Clip number(0) number(2) -> Conv 1x1 8->4 -> y'),
    )
    const clip = written.graph.nodes.find(({ opType }) => opType === 'Clip')
    const quantize = written.graph.nodes.find(({ inputs }) => inputs[0] === clip?.outputs[0])
    for (const name of quantize?.inputs.slice(1) ?? []) {
      const tensor = written.graph.initializers.get(name)
      if (tensor) written.graph.initializers.set(name, tensor.reshape([1]))
    }
    const [first] = lintFusion(written, await optimizedGraph(runtime, written), target)
    assert.deepEqual([first?.integer, /has a shape of \[1\]/.test(first?.trap ?? '')], [false, true])
  })
})
