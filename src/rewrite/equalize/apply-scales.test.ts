import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { normForms, normModel } from '../../../test/support/norm-models.ts'
import {
  assertClose,
  contextOf,
  itKeepsTheFunction,
  randomFeeds,
  run,
} from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { randomStream } from '../../math/index.ts'
import { type ChannelGraph, channelGraph, type Model, printModel } from '../../onnx/index.ts'
import { PassLog } from '../edit-pass.ts'
import { defineRewrite, type Rewrite, type RewriteContext } from '../rewrite.ts'
import { applyScales } from './apply-scales.ts'

/** Factors between 1/4 and 4 for every open channel, or the same for all. */
function factorsOf(graph: ChannelGraph, same?: number): Float64Array {
  const random = randomStream(1, 'factors')
  return Float64Array.from({ length: graph.size }, (_, id) => {
    const drawn = same ?? 2 ** random.uniform(-2, 2)
    return graph.closed.has(id) ? 1 : drawn
  })
}

function scaled(model: Model, context: RewriteContext, same?: number) {
  const log = new PassLog(context)
  const graph = channelGraph(model, context.shapes, 'scale')
  const result = applyScales(model, graph, factorsOf(graph, same), { shapes: context.shapes, log })
  return { model: result, log, graph }
}

const done = 'scaled'

/** Scales a model once: marked in the metadata of the name of its graph, so that a second time changes nothing. */
const pass = (same?: number): Rewrite =>
  defineRewrite({
    name: 'apply-scales',
    kind: 'exact',
    summary: 'random factors',
    boundDb: 100,
    apply: (model, context) => {
      if (context.statistics.has(done)) return { model, statistics: context.statistics, changes: [], skipped: [] }
      const { model: result, log } = scaled(model, context, same)
      log.statistics.set(done, { mean: new Float64Array(0), deviation: new Float64Array(0), source: 'calibrated' })
      return { model: result, statistics: log.statistics, changes: log.changes, skipped: log.skipped }
    },
  })

const ops = ({ model }: { model: Model }) => model.graph.nodes.map((node) => node.opType)

describe('apply-scales', () => {
  for (const drawing of [
    'x[N,3,8,8] -> Conv 3x3 3->4 -> Relu -> Conv 3x3 4->5 pads=1,1,1,1 -> y',
    'x[N,3,8,8] -> Conv 3x3 3->4 -> LeakyRelu -> MaxPool 2x2 -> Conv 1x1 4->5 nobias -> y',
    'x[N,3,8,8] -> Conv 1x1 3->6 -> Relu -> Conv 3x3 6->6 group=6 pads=1,1,1,1 -> Relu -> Conv 1x1 6->2 -> y',
    'x[N,3,8,8] -> Conv 1x1 3->6 -> Relu -> Conv 3x3 6->4 group=2 -> Relu -> Conv 1x1 4->2 -> y',
    'x[N,3,8,8] -> Conv 1x1 3->6 -> Relu -> ConvTranspose 3x3 6->4 group=2 -> Relu -> Conv 1x1 4->2 -> y',
    'x[N,3,4,4] -> Conv 3x3 3->2 -> Relu -> Flatten -> Gemm 8->3 -> Relu -> Gemm 3->4 transB=1 -> y',
    'x[N,3] -> MatMul 3->4 -> Add floats[4] -> Relu -> MatMul 4->2 -> y',
    'x[N,3] -> MatMul 3->4 -> Add number(0.5) -> Relu -> MatMul 4->2 -> y',
    'x[N,3,4,4] -> Conv 1x1 3->4 -> Add floats[4,4] -> Relu -> Conv 1x1 4->2 -> y',
    'x[N,3,4,4] -> Conv 1x1 3->4 -> Add floats[4,1,1] -> Mul floats[4,1,1] -> Conv 1x1 4->2 -> y',
    'x[N,3,8,8] -> Conv 1x1 3->4 -> PRelu floats[4,1,1] -> Conv 1x1 4->2 -> y',
    'x[N,3,8,8] -> Conv 1x1 3->4 -> Relu -> a; a -> Conv 1x1 4->4 -> b; a,b -> Add -> Relu -> Conv 1x1 4->2 -> y',
    'x[N,3,8,8] -> Conv 1x1 3->4 -> a; x -> Conv 1x1 3->2 -> b; a,b -> Concat axis=1 -> Conv 1x1 6->3 -> y',
    'x[N,3,4,4] -> Conv 1x1 3->4 -> Reshape ints(0,2,2,4,4) -> Transpose perm=0,2,1,3,4 -> Reshape ints(0,4,4,4) -> Conv 1x1 4->2 -> y',
    'x[N,3,8,8] -> Conv 1x1 3->4 -> a; a -> GlobalAveragePool -> Conv 1x1 4->4 -> Sigmoid -> g; a,g -> Mul -> Conv 1x1 4->2 -> y',
    'x[N,3,4,4] -> Conv 1x1 3->4 -> Clip number(-0.5) number(0.5) -> Conv 1x1 4->2 -> y',
    'x[N,3,4,4] -> Conv 1x1 3->4 -> Clip number(0) -> Conv 1x1 4->2 -> y',
    'x[N,3,4,4] -> Conv 1x1 3->4 -> Clip number(0.25) -> Conv 1x1 4->2 -> y',
    'x[N,3] -> Gemm 3->4 -> Clip number(0) number(0.5) -> Gemm 4->2 -> y',
    'x[N,3,9] -> Conv 3 3->4 -> Clip number(0) number(0.5) -> Conv 3 4->2 -> y',
    'x[N,3,4,4] -> Conv 1x1 3->4 -> Pad ints(0,1,0,0,0,1,0,0) -> Conv 1x1 6->2 -> y',
    'x[N,6,8] -> Sigmoid -> Mul floats[8] -> MatMul 8->4 -> y',
    'x[N,3,4,4] -> Mul floats[3,1,1] -> Conv 3x3 3->2 pads=1,1,1,1 -> y',
    'x[N,3,4,4] -> Conv 1x1 3->4 -> a; a -> Add number(3) -> Clip number(0) number(6) -> b; a,b -> Mul -> Div number(6) -> Mul number(0.3) -> Add number(-1) -> Conv 1x1 4->2 -> y',
    'x[N,6,8] -> Sigmoid -> Div floats[8] -> MatMul 8->4 -> y',
    ...normForms.map((form) => normModel(form)),
  ])
    itKeepsTheFunction(pass(), drawing)

  itKeepsTheFunction(pass(), 'x[N,3,4,4] -> Conv 1x1 3->4 -> Clip number(0) number(0.5) -> Conv 1x1 4->2 -> y', {
    and: (result) => {
      assert.deepEqual(ops(result), ['Conv', 'Relu', 'Min', 'Conv'])
      const min = result.model.graph.nodes[2]
      assert.deepEqual(result.model.graph.initializers.get(min?.inputs[1] ?? '')?.shape, [1, 4, 1, 1])
    },
  })

  itKeepsTheFunction(pass(2), 'x[N,3,4,4] -> Conv 1x1 3->4 -> Clip number(0) number(0.5) -> Conv 1x1 4->2 -> y', {
    and: (result) => {
      assert.deepEqual(ops(result), ['Conv', 'Clip', 'Conv'])
      const bound = result.model.graph.initializers.get(result.model.graph.nodes[1]?.inputs[2] ?? '')
      assert.deepEqual([bound?.shape, bound?.numbers()], [[], [0.25]])
    },
  })

  itKeepsTheFunction(
    pass(2),
    tinyModel('x[N,3,4,4] -> Conv 1x1 3->4 -> Clip min=-0.5 max=0.5 -> Conv 1x1 4->2 -> y', { opset: 9 }),
    { and: (result) => assert.deepEqual(ops(result), ['Conv', 'Clip', 'Conv']) },
  )

  it('keeps float16 weights float16', async () => {
    const model = tinyModel('x[N,3,4,4] -> Conv 1x1 3->4 -> Clip number(0) number(0.5) -> Conv 1x1 4->2 -> y', {
      dtype: 'float16',
    })
    const feeds = randomFeeds(model)
    const { model: result } = scaled(model, await contextOf(model, feeds))
    for (const tensor of result.graph.initializers.values()) assert.equal(tensor.dtype, 'float16')
    assertClose(await run(model, feeds), await run(result, feeds), 50, 5e-3)
  })

  it('gives each user of a shared weight its own copy', async () => {
    const model = tinyModel('x[N,4,4,4] -> Conv 1x1 4->4 -> Relu -> Conv 1x1 4->4 -> Relu -> Conv 1x1 4->4 -> y')
    const [first, , second] = model.graph.nodes
    if (first && second) second.inputs[1] = first.inputs[1] ?? ''
    const feeds = randomFeeds(model)
    const { model: result } = scaled(model, await contextOf(model, feeds))
    assertClose(await run(model, feeds), await run(result, feeds), 100, 1e-5)
  })

  it('divides the statistics of every value whose channels it scaled', async () => {
    const model = tinyModel('x[N,3,4,4] -> Conv 1x1 3->4 -> a -> Relu -> Conv 1x1 4->2 -> y')
    const vector = (...values: number[]) => Float64Array.from(values)
    const known = { mean: vector(1, 2, 3, 4), deviation: vector(1, 1, 1, 1), max: vector(4, 4, 4, 4) }
    const context = await contextOf(model)
    const { log } = scaled(model, { ...context, statistics: new Map([['a', { ...known, source: 'batch-norm' }]]) }, 2)
    const after = log.statistics.get('a')
    assert.deepEqual([...(after?.mean ?? [])], [0.5, 1, 1.5, 2])
    assert.deepEqual([...(after?.deviation ?? [])], [0.5, 0.5, 0.5, 0.5])
    assert.deepEqual([...(after?.max ?? [])], [2, 2, 2, 2])
    assert.equal(after?.min, undefined)
  })

  it('can hold one cap for a whole Clip although its factors differ', async () => {
    const model = tinyModel('x[N,3,4,4] -> Conv 1x1 3->4 -> Clip number(0) number(6) -> Conv 1x1 4->2 -> y')
    const context = await contextOf(model)
    const graph = channelGraph(model, context.shapes, 'scale')
    const log = new PassLog(context)
    const result = applyScales(model, graph, factorsOf(graph), { shapes: context.shapes, capFactor: () => 3, log })
    assert.match(printModel(result), /Clip/)
    const clip = result.graph.nodes.find((node) => node.opType === 'Clip')
    assert.deepEqual(result.graph.initializers.get(clip?.inputs[2] ?? '')?.numbers(), [2])
  })

  it('refuses a factor on a closed channel', async () => {
    const model = tinyModel('x[N,3,4,4] -> Conv 1x1 3->4 -> y')
    const context = await contextOf(model)
    const graph = channelGraph(model, context.shapes, 'scale')
    const factors = new Float64Array(graph.size).fill(2)
    assert.throws(
      () => applyScales(model, graph, factors, { shapes: context.shapes, log: new PassLog(context) }),
      /closed \(.*\), its factor is 2/,
    )
  })
})
