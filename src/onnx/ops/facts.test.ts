// What is said of operators, held against what ONNX Runtime computes.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { randomStream } from '../../base/index.ts'
import { withSession } from '../../runtime/index.ts'
import { byteLengthOf, dtypeNumber, dtypeOf, isFloat } from '../dtype.ts'
import { constantsOf } from '../layers.ts'
import type { Model } from '../model.ts'
import { factsOf } from './index.ts'

describe('facts of operators', async () => {
  const runtime = await testRuntime()
  const random = randomStream(11, 'facts')
  const values = Float32Array.from({ length: 256 }, (_, i) => random.normal() * 10 ** ((i % 5) - 2))

  async function outputOf(model: Model, data: Float32Array, dims: readonly number[]): Promise<Float32Array> {
    return withSession(runtime, model, { optimization: 'disabled' }, async (session) => {
      const { y } = await session.run({ x: { dtype: 'float32', dims: [...dims], data } })
      return y?.data as Float32Array
    })
  }
  const nodeOf = (model: Model) => model.graph.nodes[0] ?? assert.fail('the drawing has no operator')

  const elementwise = [
    ...[
      'Relu',
      'Clip number(-0.5) number(2)',
      'Clip =  number(1)',
      'LeakyRelu alpha=0.1',
      'Abs',
      'Neg',
      'Exp',
      'Sigmoid',
    ],
    ...['HardSigmoid', 'HardSwish', 'Tanh', 'Erf', 'Softplus', 'Elu alpha=0.7', 'Sin', 'Cos', 'Round', 'Floor', 'Ceil'],
    ...['Softmax axis=1', 'LogSoftmax axis=1', 'Gelu', 'Mish', 'Sqrt', 'Reciprocal', 'Log', 'PRelu floats[1]'],
  ]
  for (const step of elementwise.filter((each) => !each.includes('= '))) {
    const drawing = `x[4,64] -> ${step} -> y`
    const model = () => tinyModel(drawing, { opset: 20 })

    it(`hold for the bounds of ${step}`, async () => {
      const own = model()
      const bounds = factsOf(nodeOf(own)).bounds?.(nodeOf(own), constantsOf(own.graph))
      const got = await outputOf(own, values, [4, 64])
      for (const value of got)
        if (bounds && !Number.isNaN(value))
          assert.ok(value >= bounds.low - 1e-6 && value <= bounds.high + 1e-6, `${value}`)
    })

    it(`hold for what is said of ${step} as a function of each element`, async () => {
      const own = model()
      const { elementwise: each, homogeneous, keepsFinite } = factsOf(nodeOf(own))
      const got = await outputOf(own, values, [4, 64])
      if (each) {
        // The same numbers in another order give the same results in that order.
        const turned = await outputOf(own, values.toReversed(), [4, 64])
        assert.deepEqual(turned.toReversed(), got)
      }
      if (homogeneous) {
        const scaled = await outputOf(
          own,
          values.map((x) => 4 * x),
          [4, 64],
        )
        for (const [i, value] of got.entries())
          assert.ok(Math.abs((scaled[i] ?? 0) - 4 * value) <= 1e-5 * Math.abs(4 * value))
      }
      if (keepsFinite) assert.ok(got.every(Number.isFinite), 'finite values stay finite')
    })
  }

  for (const step of [
    ...['MaxPool kernel_shape=2,2', 'Transpose perm=0,2,3,1', 'Flatten', 'Reshape ints(0,-1)', 'Identity'],
    ...['Slice ints(0) ints(1) ints(1)', 'DepthToSpace blocksize=2', 'SpaceToDepth blocksize=2', 'Tile ints(1,1,2,1)'],
    ...['Expand ints(2,4,4,4)', 'Unsqueeze ints(0)', 'Gather ints(1,0) axis=1'],
  ])
    it(`hold for ${step}: every number that comes out went in, or is 0`, async () => {
      const model = tinyModel(`x[1,4,4,4] -> ${step} -> y`, { opset: 18 })
      const { movesData } = factsOf(nodeOf(model))
      assert.equal(movesData, true)
      const data = values.slice(0, 64)
      const known = new Set([0, ...data])
      for (const value of await outputOf(model, data, [1, 4, 4, 4])) assert.ok(known.has(value), `${value}`)
    })

  it('name how layers multiply', () => {
    const layerOf = (drawing: string) => factsOf(nodeOf(tinyModel(drawing))).layer
    assert.equal(layerOf('x[N,4,5,5] -> Conv 3x3 4->6 -> y')?.window, 'gathers')
    assert.equal(layerOf('x[N,4,5,5] -> ConvTranspose 3x3 4->6 -> y')?.window, 'spreads')
    assert.deepEqual(
      [layerOf('x[N,4] -> Gemm 4->6 -> y')?.scaled, layerOf('x[N,4] -> Gemm 4->6 -> y')?.bias],
      [true, 2],
    )
    assert.deepEqual(
      [layerOf('x[N,4] -> MatMul 4->6 -> y')?.eitherSide, layerOf('x[N,4] -> MatMul 4->6 -> y')?.bias],
      [true, undefined],
    )
    assert.equal(layerOf('x[N,4] -> Relu -> y'), undefined)
  })

  it('are of the standard domain alone: an operator of another one is unknown', () => {
    const node = { ...nodeOf(tinyModel('x[N,4] -> Relu -> y')), domain: 'my' }
    assert.equal(factsOf(node).bounds, undefined)
  })
})

describe('element types', () => {
  it('have a number and a name each, both ways', () => {
    for (let number = 1; number <= 26; number++) {
      const name = dtypeOf(number)
      assert.equal(dtypeNumber(name), number, name)
    }
    assert.equal(dtypeOf(999), 'type999')
    assert.equal(dtypeNumber('type999'), 999)
  })

  it('take so many bytes, two of 4 bits in one', () => {
    assert.deepEqual(
      (['float32', 'float16', 'int64', 'uint8', 'bool', 'int4', 'uint4'] as const).map((dtype) =>
        byteLengthOf(dtype, 5),
      ),
      [20, 10, 40, 5, 5, 3, 3],
    )
    assert.equal(byteLengthOf('string', 5), undefined)
  })

  it('are float, or not', () => {
    for (const dtype of ['float32', 'float16', 'bfloat16', 'float64'] as const)
      assert.equal(isFloat(dtype as 'float32'), true, dtype)
    for (const dtype of ['int8', 'bool', 'string'] as const) assert.equal(isFloat(dtype), false, dtype)
  })
})
