import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  assertClose,
  contextOf,
  itKeepsTheFunction,
  itLeavesAlone,
  randomFeeds,
  run,
} from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { layersOf, type Model, Tensor } from '../onnx/index.ts'
import { foldDeadChannels, foldProvedChannels } from './fold-dead-channels.ts'

/** Gives channels of the layer at `index` a bias so far out that its activation cannot be left. */
function withBias(drawing: string, index: number, biases: Readonly<Record<number, number>>): Model {
  const model = tinyModel(drawing)
  const layer = layersOf(model)[index]
  const values = Array.from(layer?.bias?.floats() ?? [])
  for (const [channel, bias] of Object.entries(biases)) values[Number(channel)] = bias
  model.graph.initializers.set(layer?.node.inputs[2] ?? '', Tensor.from('float32', [values.length], values))
  return model
}

/** Weights of a layer: `[o][i]` is the sum of absolute values over the kernel. */
function sums(model: Model, index: number): number[][] {
  const layer = layersOf(model)[index]
  const values = layer?.weight.floats() ?? []
  const view = layer?.view
  if (!view) return []
  return Array.from({ length: view.outputs }, (_, o) =>
    Array.from({ length: view.inputsPerGroup }, (_, i) => {
      let sum = 0
      for (let u = 0; u < view.positions; u++)
        sum += Math.abs(values[view.offset(o) + i * view.inputStride + u * view.positionStride] ?? 0)
      return sum
    }),
  )
}

const biasesOf = (model: Model, index: number) => Array.from(layersOf(model)[index]?.bias?.floats() ?? [])
const first = 'x[N,3,8,8] -> Conv 1x1 3->4 -> Clip number(0) number(6)'

describe('fold-dead-channels', () => {
  itKeepsTheFunction(
    foldProvedChannels,
    withBias(`${first} -> Conv 3x3 4->4 pads=1,1,1,1 -> Relu -> Conv 3x3 4->2 pads=1,1,1,1 -> y`, 1, { 2: -1e4 }),
    {
      and: ({ model, changes }) => {
        assert.deepEqual(sums(model, 1)[2], [0, 0, 0, 0])
        for (const row of sums(model, 2)) assert.equal(row[2], 0, 'zero is zero behind padding too')
        assert.match(changes[0] ?? '', /channels 1 always 0 \(proved\)/)
        assert.match(changes[1] ?? '', /18 weights that read a constant channel are 0/)
      },
    },
  )

  itKeepsTheFunction(
    foldProvedChannels,
    withBias(`${first} -> Conv 1x1 4->4 -> Clip number(0) number(6) -> Conv 3x3 4->2 -> y`, 1, { 0: 1e4 }),
    {
      and: ({ model, changes }) => {
        assert.match(changes.join('\n'), /channels 1 constant \(proved\)/)
        assert.equal(biasesOf(model, 1)[0], 6)
        for (const row of sums(model, 2)) assert.equal(row[0], 0)
      },
    },
  )

  itKeepsTheFunction(
    foldProvedChannels,
    withBias(`${first} -> Conv 1x1 4->4 -> Clip number(0) number(6) -> Conv 3x3 4->2 pads=1,1,1,1 -> y`, 1, { 0: 1e4 }),
    {
      and: ({ model }) =>
        assert.ok(
          sums(model, 2).every((row) => row[0] !== 0),
          'a constant that is not 0 cannot leave a layer that sees zeros beside it',
        ),
    },
  )

  // A depthwise layer on a silent channel is silent but for its bias, and so on.
  itKeepsTheFunction(
    foldProvedChannels,
    withBias(
      `${first} -> Conv 1x1 4->4 -> Relu -> Conv 3x3 4->4 group=4 pads=1,1,1,1 -> Relu -> Conv 1x1 4->2 -> y`,
      1,
      { 1: -1e4 },
    ),
    {
      and: ({ model }) => {
        assert.deepEqual(sums(model, 2)[1], [0])
        for (const row of sums(model, 3)) assert.equal(row[1], 0)
      },
    },
  )

  for (const rest of [
    'MaxPool 2x2 -> Conv 1x1 4->2',
    'GlobalAveragePool -> Flatten -> Gemm 4->2',
    'AveragePool 3x3 pads=1,1,1,1 count_include_pad=1 -> Flatten -> Gemm 256->2',
    'Reshape ints(0,2,2,8,8) -> Transpose perm=0,2,1,3,4 -> Reshape ints(0,4,8,8) -> Conv 1x1 4->2',
    'Conv 1x1 4->4 group=2 -> Relu -> Conv 1x1 4->2',
    'ConvTranspose 3x3 4->3',
    'Sigmoid -> Conv 1x1 4->2',
  ])
    itKeepsTheFunction(
      foldProvedChannels,
      withBias(`${first} -> Conv 1x1 4->4 -> Relu -> ${rest} -> y`, 1, { 1: -1e4, 2: -1e4 }),
    )

  itKeepsTheFunction(
    foldProvedChannels,
    withBias(
      `${first} -> a; a -> Conv 1x1 4->4 -> Relu -> b; a,b -> Add -> Conv 1x1 4->2 -> c; a,b -> Concat axis=1 -> Conv 1x1 8->2 -> d`,
      1,
      { 3: -1e4 },
    ),
    {
      and: ({ model }) => {
        assert.ok(
          sums(model, 2).every((row) => row[3] !== 0),
          'a sum with a live channel lives',
        )
        assert.ok(
          sums(model, 3).every((row) => row[3] !== 0 && row[7] === 0),
          'Concat keeps them apart',
        )
      },
    },
  )

  itKeepsTheFunction(
    foldProvedChannels,
    withBias(`${first} -> Conv 1x1 4->4 -> p! -> Relu -> Conv 1x1 4->2 -> y`, 1, { 2: -1e4 }),
    {
      and: ({ model }) => {
        assert.ok(
          sums(model, 1)[2]?.every((sum) => sum > 0),
          'what the Relu hides is seen elsewhere',
        )
        for (const row of sums(model, 2)) assert.equal(row[2], 0)
      },
    },
  )
  itLeavesAlone(
    foldProvedChannels,
    withBias('x[N,3,8,8] -> Conv 1x1 3->4 -> Relu -> Conv 1x1 4->2 -> y', 0, { 1: -1e4 }),
  )

  it('reports what only holds for 8 deviations apart from what is proved', async () => {
    const model = withBias('x[N,3,8,8] -> Conv 1x1 3->4 -> a -> Relu -> Conv 1x1 4->2 -> y', 0, { 1: -100 })
    const mean = Float64Array.of(0, -100, 0, 0)
    const statistics = new Map([['a', { mean, deviation: new Float64Array(4).fill(3), source: 'batch-norm' as const }]])
    const context = { ...(await contextOf(model)), statistics }
    const result = foldDeadChannels.apply(model, context)
    assert.match(result.changes.join('\n'), /channels 1 always 0 \(assumed\)/)
    assert.deepEqual([...(result.statistics.get('a')?.deviation ?? [])], [3, 0, 3, 3])
    const feeds = randomFeeds(model)
    assertClose(await run(model, feeds), await run(result.model, feeds), 100, 1e-5)
    assert.deepEqual(foldProvedChannels.apply(model, context).changes, [])
    assert.deepEqual(
      foldDeadChannels.apply(result.model, { ...context, statistics: result.statistics }).changes,
      [],
      'a second time changes nothing',
    )
  })

  it('takes a channel that hardly moves for constant, and says that it is only nearly so', async () => {
    const model = tinyModel(`${first} -> Conv 1x1 4->4 -> Conv 3x3 4->2 -> y`)
    const layer = layersOf(model)[1]
    const values = Float32Array.from(layer?.weight.floats() ?? [], (w, i) => (i < 4 ? w * 1e-5 : w))
    model.graph.initializers.set(layer?.node.inputs[1] ?? '', Tensor.from('float32', [4, 4, 1, 1], values))
    const result = foldDeadChannels.apply(model, await contextOf(model))
    assert.match(result.changes.join('\n'), /channels 1 constant \(nearly\)/)
    assert.deepEqual(sums(result.model, 1)[0], [0, 0, 0, 0])
    const feeds = randomFeeds(model)
    assertClose(await run(model, feeds), await run(result.model, feeds), 60, 1e-2)
  })

  it('takes a channel that samples left silent behind its Relu for alive', async () => {
    const model = tinyModel('x[N,6] -> Gemm 6->4 transB=1 -> a; a -> Relu -> r; r -> Gemm 4->2 transB=1 -> y')
    const none = new Float64Array(4)
    const some = Float64Array.of(1, 1, 1, 1)
    const seen = (mean: Float64Array, deviation: Float64Array, max: Float64Array) =>
      ({ mean, deviation, min: none, max, source: 'calibrated' }) as const
    const statistics = new Map([
      [
        'a',
        { ...seen(Float64Array.of(-2, 1, 1, 1), some, Float64Array.of(-0.1, 3, 3, 3)), min: some.map((x) => -5 * x) },
      ],
      ['r', seen(Float64Array.of(0, 1, 1, 1), Float64Array.of(0, 1, 1, 1), Float64Array.of(0, 3, 3, 3))],
    ])
    const { shapes } = await contextOf(model, randomFeeds(model))
    const folded = await foldDeadChannels.apply(model, { shapes, statistics })
    assert.deepEqual(sums(folded.model, 1), sums(model, 1))
  })
})
