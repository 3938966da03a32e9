import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertClose, itLeavesAlone, randomFeeds, run, testRuntime } from '../../test/support/rewrite-conformance.ts'
import { intAttr, intsAttr, type Model, makeModel, makeNode, Tensor, writeModel } from '../onnx/index.ts'
import { applyRewrites } from './apply.ts'
import { tiedTensors } from './constants/tied.ts'
import { floatTensor } from './float-tensor.ts'
import { foldConstants } from './fold-constants.ts'
import { rewritePasses } from './passes.ts'
import { storeOnce } from './store-once.ts'

const ramp = (count: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.7) / 4)
const matrix = (rows: number, columns: number) => Tensor.from('float32', [rows, columns], ramp(rows * columns))
const x = { name: 'x', dtype: 'float32', shape: ['N', 64] } as const
const y = { name: 'y', dtype: 'float32' } as const

/** x → MatMul with E → Relu → MatMul with E transposed → y. */
function tied(): Model {
  return makeModel({
    name: 'tied',
    inputs: [x],
    outputs: [y],
    nodes: [
      makeNode({ opType: 'MatMul', inputs: ['x', 'E'], outputs: ['h'] }),
      makeNode({ opType: 'Relu', inputs: ['h'], outputs: ['r'] }),
      makeNode({ opType: 'Transpose', inputs: ['E'], outputs: ['Et'], attributes: { perm: intsAttr([1, 0]) } }),
      makeNode({ opType: 'MatMul', inputs: ['r', 'Et'], outputs: ['y'] }),
    ],
    initializers: { E: matrix(64, 100) },
  })
}

/** x · Cast(float16 weight) + ConstantOfShape, both larger than what they are made from. */
function narrow(): Model {
  return makeModel({
    name: 'narrow',
    inputs: [x],
    outputs: [y],
    nodes: [
      makeNode({ opType: 'Cast', inputs: ['half'], outputs: ['w'], attributes: { to: intAttr(1) } }),
      makeNode({ opType: 'MatMul', inputs: ['x', 'w'], outputs: ['h'] }),
      makeNode({
        opType: 'ConstantOfShape',
        inputs: ['shape'],
        outputs: ['k'],
        attributes: { value: { type: 'tensor', value: Tensor.from('float32', [1], [0.5]) } },
      }),
      makeNode({ opType: 'Relu', inputs: ['h'], outputs: ['r'] }),
      makeNode({ opType: 'Add', inputs: ['r', 'k'], outputs: ['y'] }),
    ],
    initializers: {
      half: floatTensor('float16', [64, 300], ramp(64 * 300)),
      shape: Tensor.from('int64', [2], [1, 300]),
    },
  })
}

async function rewritten(model: Model): Promise<Model> {
  return (await applyRewrites(await testRuntime(), { model, feeds: randomFeeds(model) }, rewritePasses)).model
}

describe('store-once', () => {
  for (const model of [tied(), narrow()])
    it(`leaves the file of "${model.graph.name}" as large as it was, after all passes`, async () => {
      const after = await rewritten(model)
      assert.ok(writeModel(after).byteLength < 1.01 * writeModel(model).byteLength)
      const feeds = randomFeeds(model)
      assertClose(await run(model, feeds), await run(after, feeds), 100, 1e-5)
    })

  it('keeps float16 behind Cast, and folds a Transpose that alone reads its matrix', async () => {
    const { graph } = await rewritten(narrow())
    assert.deepEqual(
      [...graph.initializers.values()].map(({ dtype }) => dtype),
      ['float16', 'int64'],
    )
    const model = tied()
    const lone = { ...model, graph: { ...model.graph, nodes: model.graph.nodes.slice(1) } }
    lone.graph.inputs[0] = { ...x, name: 'h', shape: ['N', 100] }
    const alone = await rewritten(lone)
    assert.deepEqual(
      alone.graph.nodes.map(({ opType }) => opType),
      ['Relu', 'Gemm'],
    )
  })

  it('stores what was changed on the way in its new form', () => {
    const { model } = foldConstants.apply(narrow(), { shapes: new Map(), statistics: new Map() })
    model.graph.initializers.set('w', matrix(64, 300))
    const { model: after } = storeOnce.apply(model, { shapes: new Map(), statistics: new Map() })
    assert.equal(after.graph.initializers.get('w')?.dtype, 'float32')
    assert.deepEqual(
      after.graph.nodes.map(({ opType }) => opType),
      ['MatMul', 'Relu', 'ConstantOfShape', 'Add'],
    )
  })

  it('makes one of equal initialisers, and of a matrix and its transposed', async () => {
    const values = ramp(6400)
    const turned = Float32Array.from({ length: 6400 }, (_, i) => values[(i % 64) * 100 + Math.floor(i / 64)] ?? 0)
    const model = makeModel({
      name: 'twice',
      inputs: [x],
      outputs: [y],
      nodes: [
        makeNode({ opType: 'MatMul', inputs: ['x', 'a'], outputs: ['h'] }),
        makeNode({ opType: 'MatMul', inputs: ['h', 'b'], outputs: ['i'] }),
        makeNode({ opType: 'MatMul', inputs: ['i', 'c'], outputs: ['y'] }),
      ],
      initializers: {
        a: Tensor.from('float32', [64, 100], values),
        b: Tensor.from('float32', [100, 64], turned),
        c: Tensor.from('float32', [64, 100], values.slice()),
      },
    })
    const { model: after } = storeOnce.apply(model, { shapes: new Map(), statistics: new Map() })
    assert.deepEqual([...after.graph.initializers.keys()], ['a'])
    const feeds = randomFeeds(model)
    assert.deepEqual(await run(after, feeds), await run(model, feeds))
  })

  itLeavesAlone(storeOnce, 'x[N,64] -> MatMul 64->64 -> Relu -> y')

  it('knows which weights are tied, folded or not', () => {
    const { model } = foldConstants.apply(tied(), { shapes: new Map(), statistics: new Map() })
    assert.deepEqual(
      [...tiedTensors(model.graph)].map(({ shape }) => shape),
      [
        [64, 100],
        [100, 64],
      ],
    )
    assert.equal(
      tiedTensors(foldConstants.apply(narrow(), { shapes: new Map(), statistics: new Map() }).model.graph).size,
      0,
    )
  })

  it('leaves the codes and zero points of two layers apart: ONNX Runtime without VNNI would not load them as one', async () => {
    const codes = () => Tensor.from('int8', [64, 64], new Int8Array(4096).fill(3))
    const zeros = () => Tensor.from('int8', [2048], new Int8Array(2048))
    const scale = Tensor.from('float32', [], [0.1])
    const many = Tensor.from('float32', [2048], new Float32Array(2048).fill(0.1))
    const dq = (inputs: string[], output: string, axis?: number) =>
      makeNode({
        opType: 'DequantizeLinear',
        inputs,
        outputs: [output],
        ...(axis === undefined ? {} : { attributes: { axis: intAttr(axis) } }),
      })
    const model = makeModel({
      name: 'codes',
      inputs: [x],
      outputs: [y],
      nodes: [
        dq(['q1', 'scale'], 'a'),
        dq(['q2', 'scale'], 'b'),
        dq(['r1', 'many', 'z1'], 'c', 1),
        dq(['r2', 'many', 'z2'], 'd', 1),
        makeNode({ opType: 'MatMul', inputs: ['x', 'a'], outputs: ['h'] }),
        makeNode({ opType: 'MatMul', inputs: ['h', 'b'], outputs: ['i'] }),
        makeNode({ opType: 'MatMul', inputs: ['i', 'c'], outputs: ['j'] }),
        makeNode({ opType: 'MatMul', inputs: ['i', 'd'], outputs: ['k'] }),
        makeNode({ opType: 'Add', inputs: ['j', 'k'], outputs: ['y'] }),
      ],
      initializers: {
        q1: codes(),
        q2: codes(),
        r1: Tensor.from('int8', [64, 2048], new Int8Array(64 * 2048).fill(1)),
        r2: Tensor.from('int8', [64, 2048], new Int8Array(64 * 2048).fill(2)),
        z1: zeros(),
        z2: zeros(),
        scale,
        many,
      },
    })
    const { model: stored } = storeOnce.apply(model, { shapes: new Map(), statistics: new Map() })
    for (const name of ['q1', 'q2', 'z1', 'z2']) assert.ok(stored.graph.initializers.has(name), `${name} is gone`)
  })
})
