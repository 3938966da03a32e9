import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import { randomStream, sqnrDb } from '../math/index.ts'
import { intAttr, intsAttr, type Model, makeModel, makeNode, type Node, Tensor } from '../onnx/index.ts'
import { foldConstants, storeOnce } from '../rewrite/index.ts'
import { type Runtime, typesOf, type Values, withSession } from '../runtime/index.ts'
import {
  embeddingGrids,
  insertQdq,
  layersIn,
  makePlan,
  place,
  type QuantizeOptions,
  quantizeDefaults,
  tablesOf,
} from './index.ts'

const ROWS = 500
const COLUMNS = 32
/** Lowest values that the tests see. */
const RANGES: Readonly<Record<string, number>> = { e: -40 }
const none = { shapes: new Map(), statistics: new Map() }

function table(): Tensor {
  const random = randomStream(1, 'table')
  // Rows of very different sizes: one scale for all would lose the small ones.
  const values = Float32Array.from({ length: ROWS * COLUMNS }, (_, i) => random.normal() * (i < 3200 ? 10 : 0.1))
  return Tensor.from('float32', [ROWS, COLUMNS], values)
}

function model(nodes: readonly Node[], index: 'int64' | 'int32' = 'int64'): Model {
  return makeModel({
    name: 'embedding',
    inputs: [{ name: 'ids', dtype: index, shape: ['N', 3] }],
    outputs: [{ name: 'y', dtype: 'float32' }],
    nodes,
    initializers: { E: table(), w: Tensor.from('float32', [COLUMNS, COLUMNS], table().floats().slice(0, 1024)) },
  })
}

const pick = (attributes = {}) => makeNode({ opType: 'Gather', inputs: ['E', 'ids'], outputs: ['e'], attributes })

describe('embeddings', () => {
  let runtime: Runtime
  before(async () => {
    runtime = await testRuntime()
  })

  const planned = (given: Model, options: Partial<QuantizeOptions> = {}) => {
    const all = { ...quantizeDefaults, ...options }
    const placement = place(given, all, typesOf(given))
    const seen = new Map(
      [...placement.tensors.keys()].map(
        (value) => [value, { min: RANGES[value] ?? -3000, max: -(RANGES[value] ?? -3000), count: 1 }] as const,
      ),
    )
    return makePlan(given, placement, { statistics: seen as never, options: all })
  }
  const outputOf = async (given: Model, feeds: Values) =>
    (await withSession(runtime, given, {}, (session) => session.run(feeds)))['y']?.data as Float32Array

  for (const index of ['int64', 'int32'] as const)
    it(`pick rows of codes by ${index}, each with its own scale, negative ones from the end`, async () => {
      const given = model([pick(), makeNode({ opType: 'Relu', inputs: ['e'], outputs: ['y'] })], index)
      const quantized = insertQdq(given, planned(given))
      const ids = [0, 1, 499, -1, -500, 250]
      const data = index === 'int64' ? BigInt64Array.from(ids, BigInt) : Int32Array.from(ids)
      const feeds = { ids: { dtype: index, dims: [2, 3], data } }
      const [float, got] = [await outputOf(given, feeds), await outputOf(quantized, feeds)]
      for (let row = 0; row < ids.length; row++) {
        const part = (values: Float32Array) => values.subarray(row * COLUMNS, (row + 1) * COLUMNS)
        const db = sqnrDb(part(float), part(got))
        assert.ok(db === null || db > 35, `row ${ids[row]}: ${db} dB`)
      }
      const stored = [...quantized.graph.initializers.values()].find(({ shape }) => shape[0] === ROWS && shape[1])
      assert.equal(stored?.dtype, 'int8')
    })

  it('are stored once with the output layer that shares them, through Transpose and through transB', async () => {
    for (const last of [
      [
        makeNode({ opType: 'Transpose', inputs: ['E'], outputs: ['Et'], attributes: { perm: intsAttr([1, 0]) } }),
        makeNode({ opType: 'MatMul', inputs: ['h', 'Et'], outputs: ['y'] }),
      ],
      [
        makeNode({
          opType: 'Reshape',
          inputs: ['h', 'rows'],
          outputs: ['flat'],
        }),
        makeNode({ opType: 'Gemm', inputs: ['flat', 'E'], outputs: ['y'], attributes: { transB: intAttr(1) } }),
      ],
    ]) {
      const drawn = model([pick(), makeNode({ opType: 'MatMul', inputs: ['e', 'w'], outputs: ['h'] }), ...last])
      drawn.graph.initializers.set('rows', Tensor.from('int64', [2], [-1, COLUMNS]))
      const given = foldConstants.apply(drawn, none).model
      const plan = planned(given)
      assert.equal(plan.placement.layers.size, 2)
      const written = storeOnce.apply(insertQdq(given, plan), none).model
      const large = [...written.graph.initializers.values()].filter(({ size }) => size === ROWS * COLUMNS)
      assert.deepEqual(
        large.map(({ dtype, shape }) => [dtype, ...shape]),
        [['int8', ROWS, COLUMNS]],
      )
      const feeds = { ids: { dtype: 'int64', dims: [1, 3], data: BigInt64Array.of(3n, 200n, -2n) } } as const
      const db = sqnrDb(await outputOf(given, feeds), await outputOf(written, feeds))
      assert.ok(db === null || db > 20, `${db} dB`)
    }
  })

  it('stay float where they are small, read along another axis, excluded, or read in float by others', () => {
    const relu = makeNode({ opType: 'Relu', inputs: ['e'], outputs: ['y'] })
    const placed = (given: Model, options: Partial<QuantizeOptions> = {}) => planned(given, options).embeddings.size
    assert.equal(placed(model([pick(), relu])), 1)
    assert.equal(placed(model([pick(), relu]), { embeddings: 'float' }), 0)
    assert.equal(placed(model([pick(), relu]), { exclude: ['Gather'] }), 0)
    assert.equal(placed(model([pick({ axis: intAttr(1) }), relu])), 0)
    const small = model([pick(), relu])
    small.graph.initializers.set('E', Tensor.from('float32', [20, 8], new Float32Array(160)))
    assert.equal(placed(small), 0)
    const both = model([
      pick(),
      makeNode({ opType: 'ReduceSum', inputs: ['E'], outputs: ['sum'] }),
      makeNode({ opType: 'Mul', inputs: ['e', 'sum'], outputs: ['y'] }),
    ])
    assert.equal(placed(both), 0)
  })

  it('take the largest scale that one of several tied layers needs', () => {
    const given = model([
      pick(),
      makeNode({ opType: 'Reshape', inputs: ['e', 'rows'], outputs: ['h'] }),
      makeNode({ opType: 'Gemm', inputs: ['h', 'E'], outputs: ['y'], attributes: { transB: intAttr(1) } }),
    ])
    given.graph.initializers.set('rows', Tensor.from('int64', [2], [-1, COLUMNS]))
    const { placement, weights } = planned(given)
    const layers = layersIn(given, placement.layers)
    const own = weights.get(layers[0]?.name ?? '')
    assert.ok(own)
    const wider = new Map([[layers[0]?.name ?? '', { ...own, scale: own.scale.map((scale) => 2 * scale) }]])
    const [grid] = embeddingGrids(layers, tablesOf(given.graph, placement.embeddings), wider).values()
    assert.deepEqual(
      grid?.scale,
      own.scale.map((scale) => 2 * scale),
    )
  })
})
