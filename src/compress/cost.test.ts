import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { tinyModel } from '../../test/support/tiny-model.ts'
import type { LayerGeometry } from '../calibrate/index.ts'
import { channelGraph, layersOf, type Model, macsOf, type Shapes } from '../onnx/index.ts'
import {
  macs,
  maxRank,
  paddedMacs,
  parameterBytes,
  rankForRatio,
  savingRanks,
  splitCost,
  splitShapes,
  wholeShape,
} from './cost.ts'
import { surveyLayers } from './layers.ts'
import { CostBook } from './prune/cost-book.ts'
import { residualOperands } from './residual.ts'
import { splitNamed } from './splits/index.ts'

const shapesOf = (dims: Readonly<Record<string, readonly number[]>>): Shapes =>
  new Map(
    Object.entries(dims).map(([value, own]) => [value, { dtype: 'float32' as const, dims: own, batchAxis: 0 }]),
  ) as Shapes

/** A convolution that keeps the size of its map. */
const conv = (inputs: number, outputs: number, kernel: number): LayerGeometry => ({
  layout: 'conv',
  groups: 1,
  inputsPerGroup: inputs,
  outputsPerGroup: outputs,
  kernel: [kernel, kernel],
  strides: [1, 1],
  dilations: [1, 1],
  pads: [(kernel - 1) / 2, (kernel - 1) / 2, (kernel - 1) / 2, (kernel - 1) / 2],
})
const sizes = { input: [8, 8] as const, output: [8, 8] as const }
const families = ['vertical-horizontal', 'horizontal-vertical', 'input-side', 'output-side'] as const

describe('the cost of a layer', () => {
  it('is inputs × outputs × positions of the kernel × points of the map', () => {
    assert.equal(macs.cost(wholeShape({ geometry: conv(3, 16, 3), sizes })), 3 * 16 * 9 * 64)
    assert.equal(macs.cost(wholeShape({ geometry: { ...conv(1, 1, 3), groups: 16 }, sizes })), 16 * 9 * 64)
  })

  it('in bytes is four a weight and four a bias', () => {
    assert.equal(parameterBytes.cost(wholeShape({ geometry: conv(3, 16, 3), sizes }, false)), 4 * 3 * 16 * 9)
    assert.equal(parameterBytes.cost(wholeShape({ geometry: conv(3, 16, 3), sizes })), 4 * (3 * 16 * 9 + 16))
  })

  it('in whole blocks of channels is that of the next full block', () => {
    const cost = (inputs: number, outputs: number) =>
      paddedMacs(8).cost(wholeShape({ geometry: conv(inputs, outputs, 3), sizes }))
    assert.equal(cost(16, 16), macs.cost(wholeShape({ geometry: conv(16, 16, 3), sizes })))
    assert.equal(cost(9, 9), cost(16, 16))
    assert.equal(cost(3, 16), 3 * 16 * 9 * 64, 'the first layer reads its few channels as they are')
  })
})

describe('the cost of a split', () => {
  const geometries = fc.record({
    inputs: fc.integer({ min: 2, max: 12 }),
    outputs: fc.integer({ min: 2, max: 12 }),
    kernel: fc.constantFrom(1, 3, 5),
    name: fc.constantFrom(...families),
  })

  it('is that of its two layers, and grows with the rank', () => {
    fc.assert(
      fc.property(geometries, ({ inputs, outputs, kernel, name }) => {
        const [geometry, split] = [conv(inputs, outputs, kernel), splitNamed(name)]
        let before = 0
        for (let rank = 1; rank <= maxRank(split, geometry); rank++) {
          const [first, second] = splitShapes(split, { geometry, sizes }, rank)
          assert.deepEqual([first.outputs, second.inputs, first.inputs, second.outputs], [rank, rank, inputs, outputs])
          const cost = splitCost(macs, split, { geometry, sizes }, rank)
          assert.equal(cost, macs.cost(first) + macs.cost(second))
          assert.ok(cost > before)
          before = cost
        }
      }),
    )
  })

  it('is below the whole for every rank that saves, and for no other multiple', () => {
    fc.assert(
      fc.property(geometries, fc.integer({ min: 1, max: 4 }), ({ inputs, outputs, kernel, name }, multiple) => {
        const [geometry, split] = [conv(inputs, outputs, kernel), splitNamed(name)]
        const whole = macs.cost(wholeShape({ geometry, sizes }))
        const ranks = savingRanks(macs, split, { geometry, sizes }, multiple)
        for (let rank = multiple; rank < maxRank(split, geometry); rank += multiple)
          assert.equal(ranks.includes(rank), splitCost(macs, split, { geometry, sizes }, rank) < whole)
        assert.ok(ranks.every((rank) => rank % multiple === 0))
      }),
    )
  })

  it('for a ratio is the largest within it, but never less than rank 1', () => {
    fc.assert(
      fc.property(
        geometries,
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        ({ inputs, outputs, kernel, name }, ratio) => {
          const [geometry, split] = [conv(inputs, outputs, kernel), splitNamed(name)]
          const limit = ratio * macs.cost(wholeShape({ geometry, sizes }, false))
          const rank = rankForRatio(macs, split, { geometry, sizes }, { ratio })
          const cost = (r: number) => splitCost(macs, split, { geometry, sizes }, r)
          assert.ok(rank === 1 || cost(rank) <= limit)
          assert.ok(rank === maxRank(split, geometry) || cost(rank + 1) > limit)
        },
      ),
    )
  })
})

describe('layers that can be compressed', () => {
  const chain = 'x[N,4,8,8] -> Conv 3x3 4->6 pads=1,1,1,1 -> a -> Relu -> b -> Conv 1x1 6->5 -> y'
  const shapes = shapesOf({ x: [1, 4, 8, 8], a: [1, 6, 8, 8], b: [1, 6, 8, 8], y: [1, 5, 8, 8] })

  it('are layers, with their geometry and the sizes that were seen', () => {
    const model = tinyModel(chain)
    const { layers, left } = surveyLayers(model, shapes)
    assert.deepEqual(left, [])
    for (const [index, layer] of layersOf(model).entries()) {
      assert.equal(layers[index]?.weight, layer.weight)
      assert.equal(layers[index]?.view.outputs, layer.view?.outputs)
      assert.deepEqual(layers[index]?.sizes, sizes)
    }
    assert.deepEqual(
      layers.map(({ input, output }) => `${input} ${output}`),
      ['x a', 'b y'],
    )
  })

  it('are not those of unknown sizes, and it says so', () => {
    const { layers, left } = surveyLayers(tinyModel(chain), shapesOf({ x: [1, 4, 8, 8], a: [1, 6, 8, 8] }))
    assert.equal(layers.length, 1)
    assert.match(left[0]?.reason ?? '', /shapes were not observed/)
  })
})

describe('the book of costs while channels go', () => {
  const model: Model = tinyModel(
    'x[N,4,8,8] -> Conv 3x3 4->6 pads=1,1,1,1 -> a -> Relu -> b -> Conv 3x3 6->6 group=6 pads=1,1,1,1 -> c -> Conv 1x1 6->5 -> y',
  )
  const shapes = shapesOf({
    x: [1, 4, 8, 8],
    ...{ a: [1, 6, 8, 8], b: [1, 6, 8, 8], c: [1, 6, 8, 8] },
    y: [1, 5, 8, 8],
  })
  const graph = channelGraph(model, shapes, 'remove')
  const book = () => new CostBook({ model, shapes, graph }, macs)
  const [first] = graph.layers

  it('begins with what the model multiplies', () => {
    const all = layersOf(model).reduce((sum, layer) => sum + (macsOf(layer, shapes) ?? 0), 0)
    assert.deepEqual([book().cost, book().total], [all, all])
  })

  it('loses with a channel what makes, passes and reads it', () => {
    const own = book()
    // One output of the first layer, one kernel of the depthwise one, one input of the last.
    const ids = [first?.output[0] ?? -1]
    const saved = 4 * 9 * 64 + 9 * 64 + 5 * 64
    assert.equal(own.saving(ids), saved)
    own.remove(ids)
    assert.equal(own.cost, own.total - saved)
    own.restore(ids)
    assert.equal(own.cost, own.total)
  })

  it('tells beforehand what removing any channels saves', () => {
    fc.assert(
      fc.property(fc.subarray([...(first?.output ?? [])]), (ids) => {
        const own = book()
        const saving = own.saving(ids)
        own.remove(ids)
        assert.equal(own.total - own.cost, saving)
      }),
    )
  })
})

describe('operands of a residual Add', () => {
  const shapes = shapesOf({ x: [1, 4, 8, 8], a: [1, 4, 8, 8], b: [1, 4, 8, 8], c: [1, 4, 8, 8], s: [1, 4, 8, 8] })
  const found = (drawing: string, outputs: readonly string[]) => [
    ...residualOperands(tinyModel(drawing).graph, outputs, shapes),
  ]

  it('are what the last layer of a branch may repair', () => {
    const drawing = 'x[N,4,8,8] -> Conv 1x1 4->4 -> a -> Relu -> r -> Conv 1x1 4->4 -> b; a,b -> Add -> s'
    assert.deepEqual(found(drawing, ['a', 'b']), [['b', 'a']])
  })

  it('are none where the layer is read elsewhere, where the other comes later, or is of another shape', () => {
    const twice = 'x[N,4,8,8] -> Conv 1x1 4->4 -> a -> Conv 1x1 4->4 -> b; a,b -> Add -> s; b -> Relu -> z'
    assert.deepEqual(found(twice, ['a', 'b']), [])
    const later = 'x[N,4,8,8] -> Conv 1x1 4->4 -> a; x -> Conv 1x1 4->4 -> b; a,b -> Add -> s'
    assert.deepEqual(found(later, ['a', 'b']), [['b', 'a']])
    assert.deepEqual(found(later, ['b', 'a']), [['a', 'b']])
    const other = 'x[N,4,8,8] -> Conv 1x1 4->4 -> a; x -> Conv 1x1 4->4 -> u; a,u -> Add -> s'
    assert.deepEqual(found(other, ['a', 'u']), [])
  })

  it('are never the value itself, nor the input of the graph', () => {
    assert.deepEqual(found('x[N,4,8,8] -> Conv 1x1 4->4 -> a; a,a -> Add -> s', ['a']), [])
    assert.deepEqual(found('x[N,4,8,8] -> Conv 1x1 4->4 -> a; a,x -> Add -> s', ['a']), [])
  })
})
