import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { randomStream } from '../math/index.ts'
import { constantsOf, type Layer, layersOf } from '../onnx/index.ts'
import { withSession } from '../runtime/index.ts'
import { geometryOf, type LayerGeometry, patchSize } from './geometry.ts'
import { choosePositions, gatherOutputs, gatherPatches, positionsOf } from './patches.ts'

const runtime = await testRuntime()

function normals(dims: readonly number[], seed: number) {
  const random = randomStream(seed, 'patches')
  const size = dims.reduce((a, b) => a * b, 1)
  return { dtype: 'float32' as const, dims, data: Float32Array.from({ length: size }, () => random.normal()) }
}

function geometry(layer: Layer): LayerGeometry {
  const found = geometryOf(layer)
  assert.ok(typeof found === 'object', String(found))
  return found
}

/** Patch times weight plus bias must be what ONNX Runtime computes. */
function itMatches(drawing: string, dims: readonly number[]): void {
  it(`of ${drawing} give the layer's output when multiplied with its weight`, async () => {
    const model = tinyModel(drawing)
    const layer = layersOf(model)[0]!
    const shape = geometry(layer)
    const x = normals(dims, 1)
    const y = await withSession(runtime, model, {}, async (session) => (await session.run({ x }))['y']!)
    const random = randomStream(2, 'positions')
    const positions = choosePositions(dims[0]!, positionsOf(shape, y.dims), 7, random)
    const view = layer.view!
    const weight = layer.weight.floats()
    const bias = constantsOf(model.graph)(layer.node.inputs[2])?.floats()
    for (let group = 0; group < shape.groups; group++) {
      const patches = gatherPatches(shape, { input: x, outputDims: y.dims }, positions, { group })
      const outputs = gatherOutputs(shape, y, positions, { group })
      assert.equal(patches.columns, patchSize(shape))
      for (let row = 0; row < patches.rows; row++)
        for (let c = 0; c < shape.outputsPerGroup; c++) {
          const o = group * shape.outputsPerGroup + c
          let sum = bias?.[o] ?? 0
          for (let i = 0, at = row * patches.columns; i < view.inputsPerGroup; i++)
            for (let u = 0; u < view.positions; u++, at++)
              sum += patches.data[at]! * weight[view.offset(o) + i * view.inputStride + u * view.positionStride]!
          assert.ok(Math.abs(sum - outputs.data[row * outputs.columns + c]!) < 1e-4)
        }
    }
  })
}

describe('patches', () => {
  itMatches('x[N,6,9,8] -> Conv 3x2 6->4 strides=2,1 pads=1,0,2,1 -> y', [3, 6, 9, 8])
  itMatches('x[N,6,9,9] -> Conv 3x3 6->4 dilations=2,3 pads=3,0,1,2 -> y', [2, 6, 9, 9])
  itMatches('x[N,6,9,8] -> Conv 3x3 6->4 group=2 pads=1,1,1,1 -> y', [2, 6, 9, 8])
  itMatches('x[N,6,9,8] -> Conv 3x3 6->6 group=6 strides=2,2 pads=1,1,1,1 -> y', [2, 6, 9, 8])
  itMatches('x[N,6,20] -> Conv 5 6->4 strides=2, pads=3,1 -> y', [2, 6, 20])
  itMatches('x[N,6] -> Gemm 6->4 transB=1 -> y', [9, 6])
  itMatches('x[N,6] -> Gemm 6->4 -> y', [9, 6])
  itMatches('x[N,5,6] -> MatMul 6->4 -> y', [3, 5, 6])

  it('are taken at positions without replacement, the same for the same seed, all of them when there are few', () => {
    const positions = choosePositions(5, 40, 12, randomStream(1, 'a'))
    for (let sample = 0; sample < 5; sample++)
      assert.equal(new Set(positions.at.subarray(sample * 12, sample * 12 + 12)).size, 12)
    assert.ok(positions.at.every((at) => at >= 0 && at < 40))
    assert.deepEqual(positions, choosePositions(5, 40, 12, randomStream(1, 'a')))
    assert.notDeepEqual(positions, choosePositions(5, 40, 12, randomStream(2, 'a')))
    assert.deepEqual([...choosePositions(2, 3, 64, randomStream(1, 'a')).at], [0, 1, 2, 0, 1, 2])
  })

  it('name the reason when a layer has none', () => {
    const reason = (drawing: string) => geometryOf(layersOf(tinyModel(drawing))[0]!)
    assert.match(String(reason('x[N,2,5,5,5] -> Conv 1x1x1 2->2 -> y')), /3 spatial dimensions/)
    assert.match(String(reason('x[N,2,5,5] -> ConvTranspose 2x2 2->2 -> y')), /ConvTranspose is not supported/)
    assert.match(String(reason('x[2,N] -> Gemm 2->3 transA=1 -> y')), /transposed/)
  })

  it('refuse a value of other channels', () => {
    const shape = geometry(layersOf(tinyModel('x[N,6] -> Gemm 6->4 -> y'))[0]!)
    const positions = choosePositions(2, 1, 1, randomStream(0, 'p'))
    assert.throws(
      () => gatherPatches(shape, { input: normals([2, 5], 1), outputDims: [2, 4] }, positions),
      /6 input channels and 2 samples/,
    )
  })
})
