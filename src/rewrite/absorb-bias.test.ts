import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertClose, contextOf, randomFeeds, run } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { type ChannelStatistics, intsAttr, layersOf, type Model, Tensor } from '../onnx/index.ts'
import { type AbsorbOptions, absorbBias } from './absorb-bias.ts'
import golden from './fixtures/bias-absorption.json' with { type: 'json' }
import border from './fixtures/bias-absorption-border.json' with { type: 'json' }

const known = (mean: readonly number[], deviation: readonly number[], min?: readonly number[]): ChannelStatistics => ({
  mean: Float64Array.from(mean),
  deviation: Float64Array.from(deviation, Math.abs),
  ...(min ? { min: Float64Array.from(min) } : {}),
  source: min ? 'calibrated' : 'batch-norm',
})

function setLayer(model: Model, index: number, weight: { dims: number[]; data: number[] } | undefined, bias: number[]) {
  const node = layersOf(model)[index]?.node
  const put = (slot: number, dims: readonly number[], data: readonly number[]) =>
    model.graph.initializers.set(node?.inputs[slot] ?? '', Tensor.from('float32', dims, data))
  if (weight) put(1, weight.dims, weight.data)
  put(2, [bias.length], bias)
}

async function absorbed(model: Model, statistics: ChannelStatistics, options: AbsorbOptions = {}) {
  return absorbBias(model, { ...(await contextOf(model)), statistics: new Map([['a', statistics]]) }, options)
}

const biasOf = (model: Model, index: number) => Array.from(layersOf(model)[index]?.bias?.floats() ?? [])

/** Positive biases of a layer that keeps channels far above 0: every input of the tests is small. */
function raised(drawing: string): Model {
  const model = tinyModel(drawing)
  const layer = layersOf(model)[0]
  const values = Float32Array.from(layer?.weight.floats() ?? [], (w) => w * 0.05)
  const shape = layer?.weight.shape ?? []
  setLayer(model, 0, { dims: [...shape], data: [...values] }, [5, 4, 6, 5])
  return model
}

describe('absorb-bias', () => {
  for (const { input, options, expected } of golden.cases)
    it(`has AIMET's figures: ${options.note}`, async () => {
      const group = options.depthwise ? 'group=6 6->6' : '6->3'
      const model = tinyModel(
        `x[N,2,8,8] -> Conv 1x1 2->6 -> a${options.relu ? ' -> Relu' : ''} -> Conv 3x3 ${group} -> y`,
      )
      setLayer(model, 0, undefined, input.b1)
      setLayer(model, 1, input.w2, input.b2)
      const { model: result, statistics } = await absorbed(model, known(input.beta, input.gamma))
      for (const [index, list] of [expected.b1, expected.b2].entries())
        for (const [c, value] of list.entries())
          assert.ok(Math.abs((biasOf(result, index)[c] ?? 0) - value) < 2e-5, `b${index + 1}[${c}], expected ${value}`)
      const mean = statistics.get('a')?.mean ?? []
      for (const [c, beta] of input.beta.entries()) assert.equal(mean[c], beta - (expected.c[c] ?? 0))
    })

  for (const { input, options, expected } of border.cases)
    it(`is exact at borders with a map, and as wrong as published without, pad ${options.pad}`, async () => {
      const drawing = 'x[1,3,4,4] -> Conv 1x1 3->3 -> a -> Relu -> Conv 3x3 3->2 -> y'
      const model = tinyModel(drawing)
      setLayer(model, 0, { dims: [3, 3, 1, 1], data: [1, 0, 0, 0, 1, 0, 0, 0, 1] }, [0, 0, 0])
      setLayer(model, 1, input.w2, input.b2)
      layersOf(model)[1]?.node.attributes.set('pads', intsAttr(Array<number>(4).fill(options.pad)))
      // m − 3d is c: the range must fall for anything to be done.
      const statistics = known(
        input.c.map((c) => c + 0.3),
        [0.1, 0.1, 0.1],
      )
      const x = { dtype: 'float32' as const, dims: input.x.dims, data: Float32Array.from(input.x.data) }
      for (const [borders, y] of [
        ['border-map', expected.y],
        ['approximate', expected.yAbsorbed],
      ] as const) {
        const { model: result, changes } = await absorbed(model, statistics, { borders })
        assert.equal(changes.length, 1)
        const got = (await run(result, { x }))['y']?.data ?? []
        for (const [i, value] of y.data.entries())
          assert.ok(Math.abs(Number(got[i]) - value) < 2e-5, `${borders}[${i}]`)
      }
      const unpadded = await absorbed(model, statistics)
      if (options.pad === 0) assert.equal(unpadded.changes.length, 1)
      else assert.match(unpadded.skipped.join(), /pads its input with zeros/)
    })

  for (const rest of [
    'Relu -> Conv 3x3 4->2',
    'Clip number(0) number(7) -> Conv 3x3 4->2',
    'Relu -> Min floats[4,1,1] -> Conv 3x3 4->2',
    'LeakyRelu -> MaxPool 2x2 -> Conv 1x1 4->2',
    'Relu -> GlobalAveragePool -> Flatten -> Gemm 4->2',
    'Relu -> Flatten -> Gemm 256->3',
    'Relu -> Conv 3x3 4->4 group=2',
  ])
    it(`keeps the function through ${rest}, on all inputs that stay above what moved`, async () => {
      const model = raised(`x[N,3,8,8] -> Conv 1x1 3->4 -> a -> ${rest} -> y`)
      const min = model.graph.nodes.find((node) => node.opType === 'Min')
      if (min) model.graph.initializers.set(min.inputs[1] ?? '', Tensor.from('float32', [4, 1, 1], [5, 6, 6.5, 7]))
      const feeds = randomFeeds(model)
      const {
        model: result,
        changes,
        statistics,
      } = await absorbed(model, known([5, 4, 6, 5], [0.5, 0.5, 0.5, 0.5], [4, 3, 4.8, 4]))
      assert.match(changes.join(), /4 channels moved up to 4\.50/)
      assertClose(await run(model, feeds), await run(result, feeds), 90, 1e-5)
      const again = absorbBias(result, { ...(await contextOf(result)), statistics })
      assert.deepEqual(again.changes, [], 'a second time changes nothing')
    })

  it('does not go below what was observed, and moves the cap', async () => {
    const model = raised('x[N,3,8,8] -> Conv 1x1 3->4 -> a -> Clip number(0) number(5.5) -> Conv 3x3 4->2 -> y')
    const { model: result } = await absorbed(model, known([5, 4, 5, 5], [0.5, 0.5, 0.5, 0.1], [1, 3, 3, 4]))
    const moved = biasOf(model, 0).map((bias, c) => bias - (biasOf(result, 0)[c] ?? 0))
    const expected = [1, 2.5, 3, 4]
    for (const [c, value] of expected.entries()) assert.ok(Math.abs((moved[c] ?? 0) - value) < 1e-6)
    const min = result.graph.nodes.find((node) => node.opType === 'Min')
    assert.deepEqual(result.graph.initializers.get(min?.inputs[1] ?? '')?.numbers(), [4.5, 3, 2.5, 1.5])
  })

  it('does nothing where one channel stays at the cap', async () => {
    const model = raised('x[N,3,8,8] -> Conv 1x1 3->4 -> a -> Clip number(0) number(5.5) -> Conv 3x3 4->2 -> y')
    const { changes } = await absorbed(model, known([5, 4, 9, 5], [0.5, 0.5, 0.5, 0.1]))
    assert.deepEqual(changes, [])
  })

  it('leaves a layer when one of its readers cannot take part', async () => {
    const model = raised('x[N,3,8,8] -> Conv 1x1 3->4 -> a -> Relu -> r; r -> Conv 1x1 4->2 -> y; r -> Sigmoid -> z')
    const { changes, skipped } = await absorbed(model, known([5, 4, 6, 5], [0.5, 0.5, 0.5, 0.5]))
    assert.deepEqual(changes, [])
    assert.match(skipped.join(), /is Sigmoid/)
  })

  it('does nothing where the range would not fall', async () => {
    const model = raised('x[N,3,8,8] -> Conv 1x1 3->4 -> a -> Relu -> Conv 3x3 4->2 -> y')
    const { changes } = await absorbed(model, known([5, 0, 0, 0], [0.5, 0.5, 0.5, 20]))
    assert.deepEqual(changes, [])
  })
})
