import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { contextOf, run } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { fakeQuantize, randomStream } from '../math/index.ts'
import { layersOf, type Model, Tensor } from '../onnx/index.ts'
import { foldBatchNorm } from '../rewrite/index.ts'
import { correctBiasAnalytic, outputShift } from './correct-bias-analytic.ts'
import golden from './fixtures/bias-correction.json' with { type: 'json' }
import { quantizeDefaults } from './options.ts'
import { weightGrid } from './plan.ts'

const layerAt = (model: Model, index: number) => {
  const layer = layersOf(model)[index]
  return layer?.view ? { ...layer, view: layer.view } : assert.fail('no layer')
}

describe('analytic bias correction', () => {
  for (const { input, options, expected } of golden.cases)
    it(`has the shift that torch finds${options.depthwise ? ', depthwise' : ''}`, () => {
      const [to = 1, from = 1] = input.w.dims
      const drawing = `x[N,3,6,6] -> Conv 3x3 ${from * options.groups}->${to} group=${options.groups} -> y`
      const model = tinyModel(drawing)
      const layer = layerAt(model, 0)
      const weight = Tensor.from('float32', input.w.dims, input.w.data)
      // The weights are multiples of 1/64; the rounded ones are not exact in float32.
      const rounded = Float32Array.from(input.wq.data)
      const shift = outputShift({ ...layer, weight }, rounded, input.inputMean, new Float64Array(9).fill(1))
      for (const [o, value] of expected.analyticShift.entries())
        assert.ok(Math.abs((shift[o] ?? 0) - value) < 2e-6, `${shift[o]}, expected ${value}`)
    })

  it('takes out the mean shift that the samples show, for scales of both signs and 0, at borders too', async () => {
    const drawn = tinyModel(
      'x[N,2,9,9] -> Conv 3x3 2->6 -> BatchNormalization -> Clip number(0) number(6) -> Conv 3x3 6->6 group=6 pads=1,1,1,1 strides=2,2 -> p!',
      { seed: 3 },
    )
    const folded = await measuredNorm(drawn)
    const { model, statistics } = folded
    const context = await contextOf(model)
    const layer = layerAt(model, 1)
    const grid = weightGrid(layer, { ...quantizeDefaults, weights: 'per-tensor' }, 4)
    const { corrected, left } = correctBiasAnalytic(model, new Map([[layer.name, grid]]), statistics, context.shapes)
    assert.deepEqual(left, [])
    const shift = corrected[0]?.shift ?? new Float64Array(0)
    const measured = await measuredShift(model, 1, grid)
    const largest = Math.max(...measured.map(Math.abs))
    for (const [o, value] of measured.entries())
      assert.ok(Math.abs((shift[o] ?? 0) - value) < 0.05 * largest, `channel ${o}: ${shift[o]}, measured ${value}`)
  })

  it('leaves layers that read channels of unknown mean, and says which', async () => {
    const model = tinyModel('x[N,3,8,8] -> Conv 3x3 3->4 -> Relu -> Conv 3x3 4->2 -> y')
    const grids = new Map(layersOf(model).map((layer) => [layer.name, weightGrid(layer, quantizeDefaults)]))
    const { shapes } = await contextOf(model)
    const result = correctBiasAnalytic(model, grids, new Map(), shapes)
    assert.deepEqual(result.corrected, [])
    assert.match(result.left[0]?.reason ?? '', /the mean of 3 of the 3 channels/)
    const known = { mean: Float64Array.of(0.4, 0.5, 0.6), deviation: Float64Array.of(1, 1, 1) }
    const more = correctBiasAnalytic(model, grids, new Map([['x', { ...known, source: 'calibrated' }]]), shapes)
    assert.deepEqual(
      more.corrected.map(({ approximate }) => approximate),
      [false, true],
    )
  })

  it('makes a missing bias, and finds the one behind a MatMul', async () => {
    const model = tinyModel('x[N,3] -> Gemm 3->4 nobias -> MatMul 4->4 -> Add floats[4] -> MatMul 4->2 -> y')
    const known = { mean: Float64Array.of(0.4, 0.5, 0.6), deviation: Float64Array.of(1, 1, 1), source: 'calibrated' }
    const grids = new Map(layersOf(model).map((layer) => [layer.name, weightGrid(layer, quantizeDefaults, 4)]))
    const statistics = new Map([['x', { ...known, source: 'calibrated' as const }]])
    const result = correctBiasAnalytic(model, grids, statistics, (await contextOf(model)).shapes)
    assert.equal(result.corrected.length, 2)
    assert.match(result.left[0]?.reason ?? '', /no constant is added behind it/)
    assert.equal(layersOf(result.model)[0]?.bias?.size, 4)
    assert.equal(result.model.graph.nodes.length, model.graph.nodes.length)
  })
})

/** Folds a BatchNormalization whose mean and variance are those of the samples, as after training. */
async function measuredNorm(
  model: Model,
): Promise<{ model: Model; statistics: ReturnType<typeof foldBatchNorm.apply>['statistics'] }> {
  const norm = model.graph.nodes.find((node) => node.opType === 'BatchNormalization')
  const input = norm?.inputs[0] ?? ''
  const seen: Model = { ...model, graph: { ...model.graph, outputs: [{ name: input, dtype: 'float32' }] } }
  const values = (await run(seen, samples()))[input]
  const count = values?.dims[1] ?? 1
  const inner = (values?.dims[2] ?? 1) * (values?.dims[3] ?? 1)
  const data = values?.data as Float32Array
  const put = (index: number, list: number[]) =>
    model.graph.initializers.set(norm?.inputs[index] ?? '', Tensor.from('float32', [list.length], list))
  const lists = Array.from({ length: count }, (_, c) =>
    Array.from(data).filter((_, i) => Math.floor(i / inner) % count === c),
  )
  const means = lists.map((list) => list.reduce((a, b) => a + b, 0) / list.length)
  put(3, means)
  put(
    4,
    lists.map((list, c) => list.reduce((a, b) => a + (b - (means[c] ?? 0)) ** 2, 0) / list.length),
  )
  return foldBatchNorm.apply(model, await contextOf(model))
}

/** Pixels that do not depend on each other: every sum of them is close to a Gaussian. */
function samples() {
  const random = randomStream(5, 'samples')
  const data = Float32Array.from({ length: 256 * 2 * 81 }, random.normal)
  return { x: { dtype: 'float32' as const, dims: [256, 2, 9, 9], data } }
}

/** Mean over samples and positions of what rounding the weights of a layer adds to its output. */
async function measuredShift(model: Model, index: number, grid: ReturnType<typeof weightGrid>): Promise<number[]> {
  const layer = layerAt(model, index)
  const rounded = fakeQuantize(layer.weight.floats(), grid, layer.weight.shape, true)
  const other: Model = { ...model, graph: { ...model.graph, initializers: new Map(model.graph.initializers) } }
  const weight = Tensor.from('float32', layer.weight.shape, rounded)
  other.graph.initializers.set(layer.node.inputs[1] ?? '', weight)
  const [before, after] = [await run(model, samples()), await run(other, samples())]
  const output = Object.keys(before)[0] ?? ''
  const [a, b] = [before[output], after[output]]
  const count = a?.dims[1] ?? 1
  const inner = (a?.dims[2] ?? 1) * (a?.dims[3] ?? 1)
  const sums = new Array<number>(count).fill(0)
  const [x, y] = [a?.data as Float32Array, b?.data as Float32Array]
  for (let i = 0; i < x.length; i++) {
    const c = Math.floor(i / inner) % count
    sums[c] = (sums[c] ?? 0) + ((y[i] ?? 0) - (x[i] ?? 0)) / (x.length / count)
  }
  return sums
}
