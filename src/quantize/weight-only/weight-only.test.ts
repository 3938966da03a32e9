import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { fromFloat16Bits, plainProducts, randomStream, sqnrDb, toFloat16Bits } from '../../math/index.ts'
import { type Layer, layersOf, type Model, makeNode, type Shapes, Tensor, withTensors } from '../../onnx/index.ts'
import { storeOnce } from '../../rewrite/index.ts'
import { optimizedGraph } from '../../runtime/index.node.ts'
import { observeShapes, type Values, withSession } from '../../runtime/index.ts'
import { insertWeights } from '../insert.ts'
import { lintFusion } from '../lint.ts'
import { quantizeDefaults } from '../options.ts'
import { weightGrid } from '../plan.ts'
import { decoded, nearestCodes } from '../rounding/problem.ts'
import { targets } from '../targets/index.ts'
import { type BlockedWeight, type BlockFormat, blockGrids } from './block-grids.ts'
import { blockedTables } from './blocked-tables.ts'
import { hqqGrids } from './hqq.ts'
import { type BlockedForm, insertBlocked, whyNotBlocked } from './matmul-nbits.ts'
import { plainBlocks, roundBlocked } from './round-blocked.ts'

const runtime = await testRuntime()

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

const nbits: BlockedForm = { form: 'matmul-nbits', accuracyLevel: 0 }

const all = (layers: readonly Layer[], format: BlockFormat = { block: 32, bits: 4 }) =>
  new Map(layers.map((layer) => [layer, format]))

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

describe('weights in blocks', () => {
  for (const [what, drawing, dims] of [
    ['a product whose inputs fill no whole block', 'x[N,3,70] -> MatMul 70->9 -> Tanh -> MatMul 9->5 -> y', [2, 3, 70]],
    ['a Gemm with a bias', 'x[N,40] -> Gemm 40->17 -> Relu -> Gemm 17->33 nobias -> y', [3, 40]],
  ] as const)
    for (const { block, bits } of [
      { block: 16, bits: 4 },
      { block: 32, bits: 4 },
      { block: 128, bits: 4 },
      { block: 16, bits: 8 },
      { block: 32, bits: 8 },
      { block: 128, bits: 8 },
    ] as const)
      it(`gives ${what} exactly the weights that its codes stand for, ${bits} bits, ${block} a block`, async () => {
        const model = tinyModel(drawing)
        const layers = layersOf(model)
        const feeds = rowsOf(1, dims)
        const shapes = await shapesOf(model, feeds)
        assert.deepEqual(
          layers.map((layer) => whyNotBlocked(layer, shapes)),
          [undefined, undefined],
        )
        const weights = plainBlocks(all(layers, { block, bits }))
        const written = insertBlocked(model, weights, nbits)
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
    const weights = plainBlocks(all(layersOf(model)))
    const [own] = weights.values()
    // Tensor [inputs, outputs], codes [outputs, inputs].
    for (let i = 0; i < values.length; i += 3) assert.equal(own?.codes[(i % 64) * 64 + Math.floor(i / 64)], 0)
    const written = insertBlocked(model, weights, nbits)
    const nodes = written.graph.nodes.filter(({ opType }) => opType === 'MatMulNBits')
    assert.deepEqual(nodes[0]?.inputs.slice(1), nodes[1]?.inputs.slice(1))
  })

  for (const bits of [4, 8] as const)
    it(`says the same in plain ONNX, ${bits} bits`, async () => {
      const model = tinyModel('x[N,3,70] -> MatMul 70->9 -> Tanh -> MatMul 9->5 -> y', { opset: 21 })
      const weights = plainBlocks(all(layersOf(model), { block: 32, bits }))
      const feeds = rowsOf(1, [2, 3, 70])
      const written = insertBlocked(model, weights, { form: 'onnx', accuracyLevel: 0 })
      assert.deepEqual([...written.opsets.keys()], [''])
      const plain = await withSession(runtime, written, { optimization: 'disabled' }, (session) => session.run(feeds))
      const [first] = Object.values(plain)
      assert.ok(between(await outputOf(fake(model, weights), feeds), first?.data as Float32Array) > 100)
    })

  it('finds half-quadratic grids that never have the larger square error, and in some blocks a smaller one', () => {
    const random = randomStream(0, 'weights')
    const data = Float64Array.from({ length: 16 * 64 }, random.normal)
    const weights = { rows: 16, columns: 64, data }
    for (const bits of [4, 8] as const) {
      const noise = (grids: ReturnType<typeof blockGrids>) => {
        const { data: near } = decoded(16, 64, nearestCodes(weights, grids), grids)
        return Array.from({ length: 32 }, (_, b) =>
          data.subarray(b * 32, b * 32 + 32).reduce((sum, w, i) => sum + (w - near[b * 32 + i]!) ** 2, 0),
        )
      }
      const format = { block: 32, bits }
      const plain = noise(blockGrids(weights, format))
      const hqq = noise(hqqGrids(weights, format))
      assert.ok(
        hqq.every((error, b) => error <= plain[b]! * (1 + 1e-9)),
        'no block is worse',
      )
      if (bits === 4)
        assert.ok(
          hqq.some((error, b) => error < plain[b]!),
          'some are better',
        )
    }
  })

  for (const form of ['matmul-nbits', 'onnx'] as const)
    it(`stores a table once with the output layer that shares it, and picks its rows: ${form}`, async () => {
      const drawn = tinyModel('x[N,3,64] -> MatMul 64->40 -> y', { opset: 21 })
      const random = randomStream(3, 'table')
      const table = Tensor.from('float32', [40, 64], Float32Array.from({ length: 40 * 64 }, random.normal))
      const turned = Tensor.from(
        'float32',
        [64, 40],
        Float32Array.from({ length: 64 * 40 }, (_, i) => table.floats()[(i % 40) * 64 + Math.floor(i / 40)] ?? 0),
      )
      const [product] = drawn.graph.nodes
      const model: Model = {
        ...withTensors(drawn, new Map([[product?.inputs[1] ?? '', turned]])),
        graph: {
          ...drawn.graph,
          nodes: [
            makeNode({ opType: 'Gather', name: 'pick', inputs: ['table', 'ids'], outputs: ['x'] }),
            ...drawn.graph.nodes,
          ],
          initializers: new Map([
            ['table', table],
            [product?.inputs[1] ?? '', turned],
          ]),
          inputs: [{ name: 'ids', dtype: 'int64', shape: ['N', 3] }],
        },
      }
      const { tables, tied } = blockedTables(new Map([['pick', table]]), layersOf(model), 32)
      assert.equal(tied.size, 1)
      const written = insertBlocked(model, tied, { form, accuracyLevel: 0 }, tables)
      const ids = { ids: { dtype: 'int64', dims: [2, 3], data: BigInt64Array.of(0n, 5n, 39n, 7n, 7n, 1n) } } as const
      const weight = [...tables.values()][0] as BlockedWeight
      const { data } = decoded(40, 64, weight.codes, weight.grids)
      const near = Float32Array.from(data)
      const faked = withTensors(
        model,
        new Map([
          ['table', Tensor.from('float32', [40, 64], near)],
          [
            product?.inputs[1] ?? '',
            Tensor.from(
              'float32',
              [64, 40],
              turned.floats().map((_, i) => near[(i % 40) * 64 + Math.floor(i / 40)] ?? 0),
            ),
          ],
        ]),
      )
      const plain = await withSession(runtime, written, { optimization: 'disabled' }, (session) => session.run(ids))
      const [first] = Object.values(plain)
      assert.ok(between(await outputOf(faked, ids), first?.data as Float32Array) > 100, 'the numbers of the codes')
      const bytes = [...written.graph.initializers.values()].reduce((sum, each) => sum + each.bytes.byteLength, 0)
      assert.ok(bytes < 40 * 64 * 0.75, `${bytes} bytes`)
    })

  it('holds the scales of a large weight as float16, which cost half the bytes', async () => {
    const model = tinyModel('x[N,512] -> Gemm 512->128 nobias -> y')
    const weights = plainBlocks(all(layersOf(model)))
    const [weight] = weights.values()
    assert.equal(
      weight?.grids.scales.every((scale) => fromFloat16Bits(toFloat16Bits(scale)) === scale),
      true,
    )
    const written = insertBlocked(model, weights, nbits)
    const { model: stored } = storeOnce.apply(written, { shapes: new Map(), statistics: new Map() })
    const scale = [...stored.graph.initializers].find(([name]) => name.includes('scale'))?.[1]
    assert.equal(scale?.dtype, 'float16')
    const feeds = rowsOf(1, [2, 512])
    assert.deepEqual(await outputOf(stored, feeds), await outputOf(written, feeds))
  })

  it('rounds by second order where held-back rows agree: closer to the float output than the nearest codes', async () => {
    const model = tinyModel('x[N,4,64] -> MatMul 64->48 -> Tanh -> MatMul 48->32 -> y')
    const layers = layersOf(model)
    const batches = Array.from({ length: 24 }, (_, seed) => rowsOf(seed + 10, [8, 4, 64]))
    const shapes = await shapesOf(model, rowsOf(10, [8, 4, 64]))
    const rounded = await roundBlocked(runtime, model, all(layers), {
      batches,
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
      between(float, await outputOf(insertBlocked(model, weights, nbits), feeds))
    const plain = await db(plainBlocks(all(layers)))
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
