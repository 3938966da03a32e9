import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { randomStream, sqnrDb } from '../../math/index.ts'
import {
  constantsOf,
  type Graph,
  type Model,
  makeNode,
  type Node,
  opsetOf,
  Tensor,
  withTensors,
} from '../../onnx/index.ts'
import { observeShapes, typesOf, type Values, withSession } from '../../runtime/index.ts'
import { chooseHalf, type Reach } from './choose-half.ts'
import { maskedValues } from './masks.ts'
import { halfProbe } from './probe-half.ts'
import { toHalf } from './to-half.ts'

const runtime = await testRuntime()

const feedsOf = (dims: readonly number[], scale = 1): Values => {
  const random = randomStream(1, 'half')
  const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => scale * random.normal())
  return { x: { dtype: 'float32', dims, data } }
}

/** What reaches where in one run, every value as an output. */
async function reachesOf(model: Model, feeds: Values): Promise<Map<string, Reach>> {
  const types = typesOf(model)
  const names = model.graph.nodes.flatMap(({ outputs }) => outputs).filter((name) => types.get(name) === 'float32')
  const all = { ...model, graph: { ...model.graph, outputs: names.map((name) => ({ name })) } }
  const values = await withSession(runtime, all, { optimization: 'disabled' }, (session) => session.run(feeds))
  return new Map(
    Object.entries({ ...values, ...feeds }).map(([name, { data }]) => {
      const list = Array.from(data as Float32Array)
      return [name, { min: Math.min(...list), max: Math.max(...list) }]
    }),
  )
}

async function convert(model: Model, feeds: Values, io: 'float32' | 'float16' = 'float32') {
  const types = typesOf(model)
  const choice = await chooseHalf(model, {
    types,
    shapes: await observeShapes(runtime, model, feeds),
    reaches: await reachesOf(model, feeds),
    takes: halfProbe(runtime, model, types, constantsOf(model.graph)),
    excluded: () => false,
  })
  return { choice, ...toHalf(model, choice, types, io) }
}

const run = async (model: Model, feeds: Values) =>
  Object.values(await withSession(runtime, model, { optimization: 'disabled' }, (session) => session.run(feeds)))[0]
    ?.data as Float32Array

async function dbOf(model: Model, half: Model, feeds: Values): Promise<number> {
  return sqnrDb(await run(model, feeds), await run(half, feeds)) ?? Number.POSITIVE_INFINITY
}

const castsIn = ({ graph }: Model) => graph.nodes.filter(({ opType }) => opType === 'Cast')
const withConstants = (model: Model, change: (values: Float32Array, name: string) => ArrayLike<number>): Model =>
  withTensors(
    model,
    new Map(
      [...model.graph.initializers].flatMap(([name, tensor]) =>
        tensor.dtype === 'float32'
          ? [[name, Tensor.from('float32', tensor.shape, Float32Array.from(change(tensor.floats(), name)))] as const]
          : [],
      ),
    ),
  )

describe('a model in float16', () => {
  for (const [what, drawing, dims] of [
    ['a perceptron', 'x[N,16] -> Gemm 16->24 -> Relu -> Gemm 24->5 -> Softmax -> y', [3, 16]],
    ['convolutions', 'x[N,3,8,8] -> Conv 3x3 3->8 -> Relu -> Conv 1x1 8->4 -> GlobalAveragePool -> y', [2, 3, 8, 8]],
    [
      'normalised products',
      'x[N,4,16] -> LayerNormalization floats[16] floats[16] -> MatMul 16->16 -> Tanh -> y',
      [2, 4, 16],
    ],
  ] as const)
    it(`gives what it gave, with a Cast at each end: ${what}`, async () => {
      const model = tinyModel(drawing)
      const feeds = feedsOf(dims)
      const { model: half, choice } = await convert(model, feeds)
      assert.deepEqual(choice.float, [])
      assert.equal(castsIn(half).length, 2)
      assert.ok((await dbOf(model, half, feeds)) > 50, 'more than 50 dB')
      assert.ok(
        [...half.graph.initializers.values()].every(({ dtype }) => dtype !== 'float32'),
        'no float32 constants',
      )
    })

  it('has float16 inputs and outputs where they are asked for, and no Cast then', async () => {
    const model = tinyModel('x[N,16] -> Gemm 16->24 -> Relu -> y')
    const { model: half } = await convert(model, feedsOf([3, 16]), 'float16')
    assert.equal(castsIn(half).length, 0)
    assert.deepEqual([half.graph.inputs[0]?.dtype, half.graph.outputs[0]?.dtype], ['float16', 'float16'])
  })

  it('keeps float32 where a value in front of a norm reaches 70,000, names it, and comes out right', async () => {
    const plain = tinyModel(
      'x[N,4,16] -> MatMul 16->16 -> big -> LayerNormalization floats[16] floats[16] -> MatMul 16->8 -> y',
    )
    const [first] = plain.graph.nodes
    const name = first?.inputs[1] ?? ''
    const feeds = feedsOf([2, 4, 16])
    const peak = Math.max(...Array.from(await run(tinyLike(plain, first), feeds), Math.abs))
    const model = withConstants(plain, (values, each) =>
      each === name ? values.map((value) => (value * 70000) / peak) : values,
    )
    const { model: half, choice } = await convert(model, feeds)
    const named = choice.float.filter(({ forced }) => forced)
    assert.deepEqual(
      named.map(({ op }) => op),
      ['MatMul', 'LayerNormalization'],
    )
    assert.match(named[0]?.reason ?? '', /reaches 70,000 on the samples; float16 ends at 65,504/)
    assert.ok((await dbOf(model, half, feeds)) > 50, 'more than 50 dB')
  })

  it('keeps a norm in float32 whose squares float16 does not hold, although its values fit', async () => {
    const model = tinyModel('x[N,4,16] -> LayerNormalization floats[16] floats[16] -> MatMul 16->8 -> y')
    const { choice } = await convert(model, feedsOf([2, 4, 16], 300))
    assert.match(choice.float[0]?.reason ?? '', /squares or sums inside it/)
  })

  it('keeps float32 where a constant is too small or too large', async () => {
    const feeds = feedsOf([3, 16])
    for (const [value, why] of [
      ['0.000000000001', /too small for float16/],
      ['1000000', /float16 ends at/],
    ] as const) {
      const model = tinyModel(`x[N,16] -> Gemm 16->8 -> Mul number(${value}) -> y`)
      const { choice } = await convert(model, feeds)
      assert.match(choice.float.find(({ op }) => op === 'Mul')?.reason ?? '', why)
    }
  })

  it('lets a mask of −10⁹ in front of a Softmax saturate', async () => {
    const model = tinyModel('x[N,8] -> Add floats[8] -> Softmax -> y')
    const masked = withConstants(model, (values) => values.map((value, i) => (i % 3 === 0 ? -1e9 : value)))
    const feeds = feedsOf([4, 8])
    const { model: half, choice } = await convert(masked, feeds)
    assert.deepEqual(choice.float, [])
    assert.ok((await dbOf(masked, half, feeds)) > 50, 'more than 50 dB')
    const masks = maskedValues(masked.graph, typesOf(masked), constantsOf(masked.graph))
    assert.equal(masks(masked.graph.outputs[0]?.name ?? ''), false)
  })

  it('gives Resize its scales in float32, and leaves the rest of it float16', async () => {
    const model = tinyModel('x[N,3,4,4] -> Conv 1x1 3->4 -> Resize floats[0] floats[4] -> Relu -> y', { opset: 18 })
    const resize = model.graph.nodes.find(({ opType }) => opType === 'Resize')
    const scaled = withTensors(
      model,
      new Map([[resize?.inputs[2] ?? '', Tensor.from('float32', [4], Float32Array.of(1, 1, 2, 2))]]),
    )
    const feeds = feedsOf([1, 3, 4, 4])
    const { model: half, choice } = await convert(scaled, feeds)
    assert.equal(choice.half.has(resize?.outputs[0] ?? ''), true)
    assert.ok((await dbOf(scaled, half, feeds)) > 50, 'more than 50 dB')
  })

  it('leaves a branch of an If in float32, and stores its weights in float16', async () => {
    const plain = tinyModel('x[N,16] -> Gemm 16->16 -> inner -> Relu -> y')
    const weight = Tensor.from(
      'float32',
      [16, 32],
      Float32Array.from({ length: 512 }, (_, i) => Math.sin(i)),
    )
    const branch = (name: string, opType: string): Graph => ({
      name,
      nodes: [makeNode({ opType, inputs: ['inner', `${name}/w`], outputs: [`${name}/y`] })],
      initializers: new Map([[`${name}/w`, weight]]),
      inputs: [],
      outputs: [{ name: `${name}/y`, dtype: 'float32' }],
      valueInfo: new Map(),
    })
    const node = makeNode({
      opType: 'If',
      inputs: ['yes'],
      outputs: ['out'],
      attributes: {
        then_branch: { type: 'graph', value: branch('then', 'MatMul') },
        else_branch: { type: 'graph', value: branch('else', 'MatMul') },
      },
    })
    const model: Model = {
      ...plain,
      graph: {
        ...plain.graph,
        nodes: [...plain.graph.nodes, node],
        initializers: new Map([...plain.graph.initializers, ['yes', Tensor.from('bool', [], Uint8Array.of(1))]]),
        outputs: [{ name: 'out', dtype: 'float32' }, ...plain.graph.outputs],
      },
    }
    const feeds = feedsOf([3, 16])
    const { model: half, choice } = await convert(model, feeds)
    assert.deepEqual(
      choice.float.map(({ op }) => op),
      ['If'],
    )
    assert.ok((await dbOf(model, half, feeds)) > 50, 'more than 50 dB')
    const inner = half.graph.nodes.find(({ opType }) => opType === 'If')?.attributes.get('then_branch')
    assert.deepEqual(inner?.type === 'graph' ? [...inner.value.initializers.values()].map(({ dtype }) => dtype) : [], [
      'float16',
    ])
  })

  it('puts no Cast behind a Cast', async () => {
    const model = tinyModel(
      'x[N,4,16] -> MatMul 16->16 -> Reshape ints(0,64) -> Softplus -> MatMul 64->64 -> Relu -> y',
    )
    const { model: half } = await convert(model, feedsOf([2, 4, 16], 20))
    const made = new Set(castsIn(half).map(({ outputs }) => outputs[0]))
    assert.ok(
      castsIn(half).every(({ inputs }) => !made.has(inputs[0])),
      'no pairs',
    )
    assert.equal(opsetOf(half), 17)
  })
})

/** The model that ends behind its first node. */
function tinyLike(model: Model, first: Node | undefined): Model {
  return { ...model, graph: { ...model.graph, outputs: [{ name: first?.outputs[0] ?? '', dtype: 'float32' }] } }
}
