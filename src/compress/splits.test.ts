import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { plainProducts, randomStream } from '../math/index.ts'
import { layersOf, type Model, Tensor } from '../onnx/index.ts'
import { observeShapes, withSession } from '../runtime/index.ts'
import { fullRank } from './bilinear.ts'
import { macs, maxRank, parameterBytes, rankForRatio, savingRanks, splitCost, wholeShape } from './cost.ts'
import { fitSplit } from './fit-split.ts'
import golden from './fixtures/svd.json' with { type: 'json' }
import costs from './fixtures/svd-cost.json' with { type: 'json' }
import { kernelsOf } from './kernel.ts'
import { surveyLayers } from './layers.ts'
import { problemOf } from './problem.ts'
import { spatialSvd, weightSvd } from './split-model.ts'
import { type SplitName, splitNamed, splits } from './splits/index.ts'
import { plainTarget } from './target.ts'

const runtime = await testRuntime()

function normals(dims: readonly number[], seed = 1) {
  const random = randomStream(seed, 'splits')
  const size = dims.reduce((a, b) => a * b, 1)
  return { dtype: 'float32' as const, dims, data: Float32Array.from({ length: size }, () => random.normal()) }
}

async function run(model: Model, x: ReturnType<typeof normals>): Promise<Float32Array> {
  const { y } = await withSession(runtime, model, {}, (session) => session.run({ x }))
  assert.ok(y?.data instanceof Float32Array)
  return y.data
}

function assertClose(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  assert.equal(got.length, expected.length)
  let largest = 1
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]!))
  for (let i = 0; i < expected.length; i++)
    assert.ok(Math.abs(got[i]! - expected[i]!) <= tolerance * largest, `${got[i]} for ${expected[i]}`)
}

const layerNames: readonly SplitName[] = splits.map((split) => split.name)

/** Every split that a layer allows keeps its function at full rank. */
function itIsExact(drawing: string, dims: readonly number[]): void {
  it(`${drawing} is kept at full rank by every split it allows`, async () => {
    const model = tinyModel(drawing)
    const x = normals(dims)
    const shapes = await observeShapes(runtime, model, { x })
    const [layer] = surveyLayers(model, shapes).layers
    assert.ok(layer)
    const expected = await run(model, x)
    let tried = 0
    for (const name of layerNames) {
      const split = splitNamed(name)
      if (split.refuse(layer.geometry)) continue
      tried++
      const rank = maxRank(split, layer.geometry)
      const result: Model =
        name === 'input-side' || name === 'output-side'
          ? await weightSvd(model, layer.name, rank, { shapes, side: name })
          : await spatialSvd(model, layer.name, rank, { shapes, order: name })
      assert.equal(layersOf(result).length, 2, name)
      assert.deepEqual(result.graph.outputs, model.graph.outputs)
      assertClose(await run(result, x), expected, 1e-5)
    }
    assert.ok(tried > 0)
  })
}

describe('splits', () => {
  itIsExact('x[N,6,9,8] -> Conv 3x3 6->5 strides=2,1 pads=1,0,2,1 -> y', [2, 6, 9, 8])
  itIsExact('x[N,6,11,11] -> Conv 3x5 6->7 dilations=2,1 pads=2,2,2,2 -> y', [1, 6, 11, 11])
  itIsExact('x[N,6,9,9] -> Conv 3x3 6->4 group=2 strides=2,2 pads=1,1,1,1 nobias -> y', [2, 6, 9, 9])
  itIsExact('x[N,6,9,9] -> Conv 1x3 6->4 strides=1,2 pads=0,1,0,1 -> y', [2, 6, 9, 9])
  itIsExact('x[N,6,9,9] -> Conv 5x1 6->4 pads=2,0,2,0 -> y', [2, 6, 9, 9])
  itIsExact('x[N,6,9,9] -> Conv 1x1 6->4 strides=2,2 -> y', [2, 6, 9, 9])
  itIsExact('x[N,6,20] -> Conv 5 6->4 strides=2, pads=3,1 -> y', [2, 6, 20])
  itIsExact('x[N,6] -> Gemm 6->4 transB=1 -> y', [3, 6])
  itIsExact('x[N,6] -> Gemm 6->9 -> y', [3, 6])
  itIsExact('x[N,5,6] -> MatMul 6->4 -> y', [3, 5, 6])

  it('leave layers that they cannot split, and say why', async () => {
    const cases = [
      ['x[N,6,9,9] -> Conv 3x3 6->6 group=6 -> y', [1, 6, 9, 9], /depthwise/],
      ['x[N,2,5,5] -> ConvTranspose 2x2 2->2 -> y', [1, 2, 5, 5], /ConvTranspose is not supported/],
      ['x[N,2,5,5,5] -> Conv 3x3x3 2->2 -> y', [1, 2, 5, 5, 5], /3 spatial dimensions/],
    ] as const
    for (const [drawing, dims, reason] of cases) {
      const model = tinyModel(drawing)
      const shapes = await observeShapes(runtime, model, { x: normals(dims) })
      const { name } = layersOf(model)[0]!
      await assert.rejects(spatialSvd(model, name, 1, { shapes }), reason)
    }
    const model = tinyModel('x[N,6,9,9] -> Conv 1x3 6->6 -> y')
    const shapes = await observeShapes(runtime, model, { x: normals([1, 6, 9, 9]) })
    await assert.rejects(spatialSvd(model, 'Conv_y', 1, { shapes }), /one dimension only/)
    await assert.rejects(weightSvd(model, 'Conv_y', 99, { shapes }), /ranks from 1 to 6, got 99/)
    await assert.rejects(weightSvd(model, 'nobody', 1, { shapes }), /no layer "nobody"; the layers are Conv_y/)
  })

  for (const scale of [0, 1e-20, 1e15])
    it(`give finite factors for rank-deficient kernels scaled by ${scale}`, async () => {
      const model = tinyModel('x[N,6,9,9] -> Conv 3x3 6->5 pads=1,1,1,1 -> y')
      const [weightName = ''] = [...model.graph.initializers.keys()]
      // Of rank 1: every output channel the same, every input channel but one dead.
      const weight = new Float32Array(5 * 6 * 9).map((_, i) =>
        Math.floor(i / 9) % 6 === 2 ? scale * ((i % 3) + 1) : 0,
      )
      model.graph.initializers.set(weightName, Tensor.from('float32', [5, 6, 3, 3], weight))
      const x = normals([2, 6, 9, 9])
      const shapes = await observeShapes(runtime, model, { x })
      const expected = await run(model, x)
      for (const order of ['vertical-horizontal', 'horizontal-vertical'] as const)
        assertClose(await run(await spatialSvd(model, 'Conv_y', 3, { shapes, order }), x), expected, 1e-5)
      for (const side of ['input-side', 'output-side'] as const)
        assertClose(await run(await weightSvd(model, 'Conv_y', 2, { shapes, side }), x), expected, 1e-5)
    })

  for (const { input, options, expected } of golden.cases)
    it(`compose the kernels of an independent implementation: ${options.kind} [${input.W.dims}]`, async () => {
      const [outputs = 0, inputs = 0, ...kernel] = input.W.dims
      const drawing =
        options.kind === 'weight-fc'
          ? `x[N,${inputs}] -> Gemm ${inputs}->${outputs} transB=1 -> y`
          : `x[N,${inputs},H,W] -> Conv ${kernel.join('x')} ${inputs}->${outputs} -> y`
      const model = tinyModel(drawing)
      const [weightName = ''] = [...model.graph.initializers.keys()]
      model.graph.initializers.set(weightName, Tensor.from('float32', input.W.dims, input.W.data))
      const x = normals(kernel.length > 0 ? [1, inputs, 9, 9] : [1, inputs])
      const [layer] = surveyLayers(model, await observeShapes(runtime, model, { x })).layers
      assert.ok(layer)
      const vertical = kernel.length > 0 && Math.min(...kernel) > 1 ? 'vertical-horizontal' : 'input-side'
      const name =
        options.kind === 'spatial' ? vertical : kernel.some((size) => size > 1) ? 'input-side' : 'output-side'
      const targets = kernelsOf(layer).map(plainTarget)
      for (const { rank, product } of expected.perRank) {
        const { kernels } = await fitSplit(plainProducts, layer, targets, { split: name, rank, rounds: 0 })
        assertClose(kernels[0]!.data, product.data, 1e-7)
      }
      assert.equal(fullRank(problemOf(splitNamed(name), layer.geometry, targets[0]!)) >= expected.maxRank, true)
    })
})

describe('cost models', () => {
  for (const { input, options, expected } of costs.cases) {
    const { out, inPerGroup } = input
    const [kh = 1, kw = 1] = input.kernel ?? []
    const [sh = 1, sw = 1] = input.strides ?? []
    const [height = 1, width = 1] = input.outputHW ?? []
    const geometry = {
      layout: input.kernel ? 'conv' : 'rows',
      groups: 1,
      inputsPerGroup: inPerGroup,
      outputsPerGroup: out,
      kernel: [kh, kw],
      strides: [sh, sw],
      dilations: [1, 1],
      pads: [0, 0, 0, 0],
    } as const
    const sizes = { input: [height * sh, width * sw], output: [height, width] } as const
    const split = splitNamed(
      options.kind === 'spatial' ? 'vertical-horizontal' : input.kernel ? 'input-side' : 'output-side',
    )
    const weights = {
      ...parameterBytes,
      cost: (shape: Parameters<typeof macs.cost>[0]) => parameterBytes.cost({ ...shape, bias: false }) / 4,
    }

    it(`count as an independent implementation does: ${options.kind} ${out}×${inPerGroup} ${kh}×${kw}`, () => {
      assert.equal(macs.cost(wholeShape({ geometry, sizes })), expected.mac)
      assert.equal(weights.cost(wholeShape({ geometry, sizes })), expected.memory)
      for (const { rank, mac, memory } of expected.costs) {
        assert.equal(splitCost(macs, split, { geometry, sizes }, rank), mac)
        assert.equal(splitCost(weights, split, { geometry, sizes }, rank), memory)
      }
      for (const entry of expected.rankForRatio) {
        assert.equal(rankForRatio(macs, split, { geometry, sizes }, { ratio: entry.ratio }), entry.mac)
        if (!('memory' in entry)) continue
        assert.equal(rankForRatio(weights, split, { geometry, sizes }, { ratio: entry.ratio }), entry.memory)
      }
    })
  }

  it('offer only ranks that make a layer cheaper', () => {
    const geometry = {
      layout: 'conv',
      groups: 1,
      inputsPerGroup: 16,
      outputsPerGroup: 16,
      kernel: [3, 3],
      strides: [1, 1],
      dilations: [1, 1],
      pads: [1, 1, 1, 1],
    } as const
    const sizes = { input: [8, 8], output: [8, 8] } as const
    const split = splitNamed('vertical-horizontal')
    // 96·r of 2,304 multiplications: 23 saves, 24 does not.
    assert.equal(savingRanks(macs, split, { geometry, sizes }, 1).at(-1), 23)
    assert.deepEqual(savingRanks(macs, split, { geometry, sizes }, 8), [8, 16])
    assert.deepEqual(savingRanks(macs, split, { geometry, sizes }, 32), [])
  })
})
