import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertNear } from '../../test/support/assert-near.ts'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { InputError } from '../base/index.ts'
import { type Products, plainProducts, randomStream } from '../math/index.ts'
import { layersOf, type Model, Tensor } from '../onnx/index.ts'
import type { Values } from '../runtime/index.ts'
import { blame, nonFiniteValues } from './culprit.ts'
import { geometryOf, gridOf, kernelOf, patchSize } from './geometry.ts'
import { MomentFeed } from './moment-feed.ts'
import { Moments } from './moments.ts'
import { positionsOf } from './patches.ts'

describe('rows on their way into moments', () => {
  const random = randomStream(3, 'feed')
  const rows = (count: number, columns: number) => Float32Array.from({ length: count * columns }, () => random.normal())

  /** How many rows came at once. */
  function counted(): { readonly products: Products; readonly rows: number[] } {
    const seen: number[] = []
    return {
      rows: seen,
      products: {
        ...plainProducts,
        scatter: (x, y) => {
          seen.push(x.rows)
          return plainProducts.scatter(x, y)
        },
      },
    }
  }

  it('go in as one piece, and give what single ones give', async () => {
    const { products, rows: pieces } = counted()
    const [together, apart] = [new Moments(4, 2), new Moments(4, 2)]
    const feed = new MomentFeed(products, together)
    for (const count of [3, 5, 2]) {
      const [x, y] = [rows(count, 4), rows(count, 2)]
      const room = await feed.next(count)
      room.x.set(x)
      room.y.set(y)
      await apart.add(plainProducts, { rows: count, columns: 4, data: x }, { rows: count, columns: 2, data: y })
    }
    assert.deepEqual(pieces, [], 'nothing goes before it has to')
    await feed.finish()
    assert.deepEqual(pieces, [10])
    assert.equal(together.count, apart.count)
    assertNear(together.covariance.data, apart.covariance.data, 1e-6)
    assertNear(together.crossCovariance.data, apart.crossCovariance.data, 1e-6)
    await feed.finish()
    assert.deepEqual(pieces, [10], 'and once')
  })

  it('go as soon as too many numbers would wait', async () => {
    const { products, rows: pieces } = counted()
    const wide = 1_000_000
    const moments = new Moments(wide, 0, { withCovariance: false })
    const feed = new MomentFeed(products, moments)
    for (let i = 0; i < 6; i++) (await feed.next(1)).x.fill(i)
    await feed.finish()
    assert.equal(moments.count, 6)
    assertNear(moments.meanX.subarray(0, 2), [2.5, 2.5], 1e-6)
    assert.deepEqual(pieces, [], 'of inputs that long only the mean is taken')
  })
})

describe('the geometry of a layer', () => {
  const layerOf = (drawing: string) => {
    const [layer] = layersOf(tinyModel(drawing))
    assert.ok(layer)
    return layer
  }

  it('is its window in two dimensions, whatever the operator', () => {
    const conv = geometryOf(layerOf('x[N,4,9,9] -> Conv 3x5 4->6 group=2 strides=2,1 dilations=1,2 pads=1,2,1,2 -> y'))
    assert.deepEqual(conv, {
      layout: 'conv',
      ...{ groups: 2, inputsPerGroup: 2, outputsPerGroup: 3 },
      ...{ kernel: [3, 5], strides: [2, 1], dilations: [1, 2], pads: [1, 2, 1, 2] },
    })
    const gemm = geometryOf(layerOf('x[N,8] -> Gemm 8->4 -> y'))
    assert.ok(typeof gemm !== 'string')
    assert.deepEqual([gemm.layout, gemm.inputsPerGroup, gemm.outputsPerGroup, patchSize(gemm)], ['rows', 8, 4, 8])
    assert.equal(typeof geometryOf(layerOf('x[N,4,5,5] -> ConvTranspose 3x3 4->6 -> y')), 'string')
  })

  it('says where the samples and positions of a value are', () => {
    const conv = geometryOf(layerOf('x[N,4,9,9] -> Conv 3x3 4->6 -> y'))
    const gemm = geometryOf(layerOf('x[N,8] -> MatMul 8->4 -> y'))
    assert.ok(typeof conv !== 'string' && typeof gemm !== 'string')
    const { samples, height, width } = gridOf(conv, [2, 6, 7, 5])
    assert.deepEqual([samples, height, width, positionsOf(conv, [2, 6, 7, 5])], [2, 7, 5, 35])
    assert.equal(positionsOf(gemm, [3, 10, 4]), 10)
  })

  it('lays a kernel out as patches are', () => {
    const layer = layerOf('x[N,4,9,9] -> Conv 3x3 4->6 group=2 -> y')
    const geometry = geometryOf(layer)
    assert.ok(typeof geometry !== 'string')
    const weight = layer.weight.floats()
    for (const group of [0, 1]) {
      const kernel = kernelOf(layer, geometry, group)
      assert.deepEqual([kernel.rows, kernel.columns], [3, 18])
      assert.deepEqual(Array.from(kernel.data), Array.from(weight.subarray(group * 54, (group + 1) * 54)))
    }
  })
})

describe('who is to blame for a value that is not finite', async () => {
  const runtime = await testRuntime()
  const model = tinyModel('x[N,4] -> Gemm 4->4 -> g -> Sqrt -> s -> Gemm 4->2 -> y')
  const feed = (values: readonly number[]): Values => ({
    x: { dtype: 'float32', dims: [1, 4], data: Float32Array.from(values) },
  })
  const said = async (given: Model, inputs: Values, ids: readonly string[] = ['one.png']) => {
    const error = await blame(runtime, given, { tensor: 'y', kind: 'NaN', ids }, inputs)
    assert.ok(error instanceof InputError)
    return error
  }

  it('is the sample, where it holds such values itself', async () => {
    const error = await said(model, feed([1, Number.NaN, 1, 1]))
    assert.match(error.message, /^tensor "x" is NaN for sample one\.png; such values have no range: check the sample/)
  })

  it('is the operator that makes them of finite ones', async () => {
    const error = await said(model, feed([50, -50, 50, -50]))
    assert.match(error.message, /^tensor "s" is NaN for sample one\.png; Sqrt ".*" makes it of finite values/)
    assert.deepEqual([error.place.tensor, error.place.op], ['s', 'Sqrt'])
  })

  it('is a constant of the model', async () => {
    const [layer] = layersOf(model)
    const initializers = new Map(model.graph.initializers)
    initializers.set(layer?.node.inputs[1] ?? '', Tensor.from('float32', [4, 4], new Float32Array(16).fill(Number.NaN)))
    const sick = { ...model, graph: { ...model.graph, initializers } }
    const error = await said(sick, feed([1, 1, 1, 1]), ['a', 'b'])
    assert.match(error.message, /a constant of Gemm ".*", holds NaN: the model is at fault, not the samples/)
  })

  it('is found among several values at once', async () => {
    const strange = await nonFiniteValues(runtime, model, feed([50, -50, 50, -50]))
    assert.equal(strange.get('s'), 'NaN')
    assert.ok(!strange.has('g') && !strange.has('x'))
    assert.deepEqual(
      [...(await nonFiniteValues(runtime, model, feed([0, 0, 0, 0]))).keys()].filter((v) => v === 'g'),
      [],
    )
  })
})
