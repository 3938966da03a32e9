import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { plainProducts, randomStream, sqnrDb } from '../../math/index.ts'
import { type Layer, layersOf, type Model, type Shapes, Tensor, withTensors } from '../../onnx/index.ts'
import { openRuntime, optimizedGraph } from '../../runtime/index.node.ts'
import { observeShapes, type Values, withSession } from '../../runtime/index.ts'
import { insertWeights } from '../insert.ts'
import { lintFusion } from '../lint.ts'
import { quantizeDefaults } from '../options.ts'
import { weightGrid } from '../plan.ts'
import { decoded } from '../rounding/problem.ts'
import { targets } from '../targets/index.ts'
import { insertBlocked, whyNotBlocked } from './matmul-nbits.ts'
import { plainBlocks, roundBlocked } from './round-blocked.ts'

const runtime = await openRuntime({ threads: 1 })
after(() => runtime.close())

/** Rows whose numbers follow each other: what second-order rounding lives on. */
function rowsOf(seed: number, dims: readonly number[]): Values {
  const random = randomStream(seed, 'rows')
  const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, random.normal)
  const width = dims.at(-1) ?? 1
  for (let i = 0; i < data.length; i++) if (i % width > 0) data[i]! += 0.9 * data[i - 1]!
  return { x: { dtype: 'float32', dims, data } }
}

const outputOf = (model: Model, feeds: Values) =>
  withSession(runtime, model, {}, (session) => session.run(feeds)).then(
    (values) => Object.values(values)[0]?.data as Float32Array,
  )

const shapesOf = async (model: Model, feeds: Values): Promise<Shapes> => observeShapes(runtime, model, feeds)

/** SQNR in dB; an exact match is infinite. */
const between = (a: Float32Array, b: Float32Array) => sqnrDb(a, b) ?? Number.POSITIVE_INFINITY

/** The float model with the weights that codes stand for. */
function fake(model: Model, weights: ReturnType<typeof plainBlocks>): Model {
  const changed = new Map<string, Tensor>()
  for (const [{ node, weight, view }, { rows, columns, codes, grids }] of weights) {
    const { data } = decoded(rows, columns, codes, grids)
    const values = new Float32Array(weight.size)
    for (let row = 0; row < rows; row++)
      for (let c = 0; c < columns; c++) values[view!.offset(row) + c * view!.inputStride] = data[row * columns + c]!
    changed.set(node.inputs[1] ?? '', Tensor.from('float32', weight.shape, values))
  }
  return withTensors(model, changed)
}

describe('weights in blocks of 4 bits', () => {
  for (const [what, drawing, dims] of [
    ['a product whose inputs fill no whole block', 'x[N,3,70] -> MatMul 70->9 -> Tanh -> MatMul 9->5 -> y', [2, 3, 70]],
    ['a Gemm with a bias', 'x[N,40] -> Gemm 40->17 -> Relu -> Gemm 17->33 nobias -> y', [3, 40]],
  ] as const)
    for (const block of [16, 32, 128])
      it(`gives ${what} exactly the weights that its codes stand for, ${block} a block`, async () => {
        const model = tinyModel(drawing)
        const layers = layersOf(model)
        const feeds = rowsOf(1, dims)
        const shapes = await shapesOf(model, feeds)
        assert.deepEqual(
          layers.map((layer) => whyNotBlocked(layer, shapes)),
          [undefined, undefined],
        )
        const weights = plainBlocks(layers, block)
        const written = insertBlocked(model, weights, { accuracyLevel: 0 })
        const kernels = lintFusion(written, await optimizedGraph(runtime, written), targets[0])
        assert.deepEqual(
          kernels.map(({ kernel, integer }) => ({ kernel, integer })),
          [0, 1].map(() => ({ kernel: 'MatMulNBits', integer: false })),
        )
        assert.ok(between(await outputOf(fake(model, weights), feeds), await outputOf(written, feeds)) > 100)
        assert.ok(between(await outputOf(model, feeds), await outputOf(written, feeds)) > 10)
      })

  it('stores a weight that two layers share once, and holds zeros exactly', async () => {
    const drawing = 'x[N,64] -> Gemm 64->64 nobias -> Tanh -> Gemm 64->64 nobias -> y'
    const drawn = tinyModel(drawing)
    const [first, second] = drawn.graph.nodes.filter(({ opType }) => opType === 'Gemm')
    const name = first?.inputs[1] ?? ''
    const weight = drawn.graph.initializers.get(name)
    assert.ok(second && weight)
    const values = weight.floats().map((value, i) => (i % 3 === 0 ? 0 : value))
    second.inputs[1] = name
    const model = withTensors(drawn, new Map([[name, Tensor.from('float32', weight.shape, values)]]))
    const weights = plainBlocks(layersOf(model), 32)
    const [own] = weights.values()
    // Tensor [inputs, outputs], codes [outputs, inputs].
    for (let i = 0; i < values.length; i += 3) assert.equal(own?.codes[(i % 64) * 64 + Math.floor(i / 64)], 0)
    const written = insertBlocked(model, weights, { accuracyLevel: 0 })
    const nodes = written.graph.nodes.filter(({ opType }) => opType === 'MatMulNBits')
    assert.deepEqual(nodes[0]?.inputs.slice(1), nodes[1]?.inputs.slice(1))
  })

  it('rounds by second order where held-back rows agree: closer to the float output than the nearest codes', async () => {
    const model = tinyModel('x[N,4,64] -> MatMul 64->48 -> Tanh -> MatMul 48->32 -> y')
    const layers = layersOf(model)
    const batches = Array.from({ length: 24 }, (_, seed) => rowsOf(seed + 10, [8, 4, 64]))
    const shapes = await shapesOf(model, rowsOf(10, [8, 4, 64]))
    const rounded = await roundBlocked(runtime, model, layers, batches, {
      block: 32,
      shapes,
      products: plainProducts,
      seed: 0,
    })
    assert.deepEqual(
      [...rounded.values()].map(({ how }) => how === 'plain'),
      [false, false],
    )
    const feeds = rowsOf(99, [64, 4, 64])
    const float = await outputOf(model, feeds)
    const db = async (weights: ReturnType<typeof plainBlocks>) =>
      between(float, await outputOf(insertBlocked(model, weights, { accuracyLevel: 0 }), feeds))
    const plain = await db(plainBlocks(layers, 32))
    const second = await db(new Map([...rounded].map(([layer, { weight }]) => [layer, weight])))
    assert.ok(second > plain + 2, `${second} dB, nearest codes ${plain} dB`)
  })

  it('says why a layer cannot lie in blocks', async () => {
    const model = tinyModel('x[N,4,8,8] -> Conv 1x1 4->4 -> y')
    const [layer] = layersOf(model)
    assert.match(whyNotBlocked(layer as Layer, new Map()) ?? '', /no kernel for Conv/)
  })
})

describe('weights of a ConvTranspose behind DequantizeLinear', () => {
  for (const [what, drawing] of [
    ['plain', 'x[N,4,5,5] -> ConvTranspose 3x3 4->6 -> y'],
    ['grouped', 'x[N,6,5,5] -> ConvTranspose 3x3 6->9 group=3 -> y'],
    ['depthwise', 'x[N,6,5,5] -> ConvTranspose 3x3 6->6 group=6 -> y'],
  ] as const)
    it(`have a grid for each channel of the axis with the smaller steps: ${what}`, async () => {
      const model = tinyModel(drawing)
      const [layer] = layersOf(model)
      assert.ok(layer)
      const grid = weightGrid(layer, quantizeDefaults)
      assert.equal(grid.scale.length, layer.weight.shape[grid.axis ?? -1])
      const written = insertWeights(model, new Map([[layer.name, grid]]))
      const feeds = rowsOf(3, [2, layer.weight.shape[0] ?? 1, 5, 5])
      assert.ok(between(await outputOf(model, feeds), await outputOf(written, feeds)) > 38)
    })
})
