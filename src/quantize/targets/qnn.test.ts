import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomFeeds, run } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import type { TensorStatistics } from '../../calibrate/index.ts'
import { sqnrDb } from '../../math/index.ts'
import type { Model } from '../../onnx/index.ts'
import { typesOf } from '../../runtime/index.ts'
import { insertQdq } from '../insert.ts'
import { type QuantizeOptions, quantizeDefaults } from '../options.ts'
import { place } from '../placement/placement.ts'
import { makePlan, type Plan, tensorsToObserve } from '../plan.ts'
import { planFromJson, planToJson } from '../plan-json.ts'
import { targetOf } from './index.ts'

const target = targetOf('qnn')

/** A plan for values between −60 and 60, in 16 bits. */
function planned(model: Model, more: Partial<QuantizeOptions> = {}): Plan {
  const options = { ...quantizeDefaults, target, activationType: 'uint16' as const, ...more }
  const placement = place(model, options, typesOf(model))
  const seen: TensorStatistics = { min: -60, max: 60, count: 1 } as TensorStatistics
  const statistics = new Map(tensorsToObserve(placement).map(({ value }) => [value, seen]))
  return makePlan(model, placement, { statistics, options })
}

const draw = (drawing: string) => tinyModel(drawing, { opset: 21 })

async function noiseOf(model: Model, written: Model): Promise<number> {
  const feeds = randomFeeds(model, 1)
  const [[before], [after]] = [Object.values(await run(model, feeds)), Object.values(await run(written, feeds))]
  return sqnrDb(before?.data as Float32Array, after?.data as Float32Array) ?? Number.POSITIVE_INFINITY
}

describe('files for QNN', () => {
  it('have every value on a grid, constants and lone operators too', async () => {
    const model = draw(
      'x[N,4,8,8] -> Relu -> r -> Mul floats[4,1,1] -> m -> Conv 1x1 4->8 -> HardSwish -> h -> Flatten -> Gemm 512->4 -> y',
    )
    const plan = planned(model)
    const constant = [...plan.placement.tensors.values()].find((tensor) => tensor.constant)
    assert.ok(constant)
    assert.equal(plan.activations.get(constant.value)?.method, 'the constant')
    assert.deepEqual(
      model.graph.nodes
        .filter(({ name, opType }) => !plan.placement.integer.has(name) && opType !== 'Relu')
        .map(({ opType }) => opType),
      [],
    )
    assert.ok([...plan.activations.values()].every(({ params }) => params.dtype === 'uint16'))
    const written = insertQdq(model, plan)
    assert.equal(written.graph.initializers.get(`${constant.value}/q`)?.dtype, 'uint16')
    const db = await noiseOf(model, written)
    assert.ok(db > 25, `${db}`)
  })

  it('have one scale for each channel but in MatMul, and int32 biases', () => {
    const model = draw('x[N,4,8,8] -> Conv 1x1 4->8 -> Flatten -> Gemm 512->4 -> g -> MatMul 4->4 -> y')
    const { weights } = planned(model)
    assert.deepEqual(
      [...weights.values()].map(({ scale, dtype }) => [scale.length, dtype]),
      [
        [8, 'int8'],
        [4, 'int8'],
        [1, 'int8'],
      ],
    )
    const types = [...insertQdq(model, planned(model)).graph.initializers].filter(([name]) => name.endsWith('/bias/q'))
    assert.deepEqual(
      types.map(([, { dtype }]) => dtype),
      ['int32', 'int32'],
    )
  })

  it('multiply two values in integers', () => {
    const model = draw('x[N,4,4] -> Relu -> u; x -> Abs -> v; u -> MatMul =v -> y')
    assert.deepEqual([...planned(model).activations.keys()].sort(), ['u', 'v', 'x', 'y'])
  })

  it('give Sigmoid and Tanh the grids that their kernels need', () => {
    const model = draw('x[N,4] -> Sigmoid -> s; x -> Tanh -> t; s -> Add =t -> y')
    const { activations } = planned(model)
    assert.deepEqual(activations.get('s')?.params.scale, Float32Array.of(2 ** -16))
    assert.deepEqual(activations.get('t')?.params.zeroPoint, Int32Array.of(32768))
    const narrow = planned(model, { activationType: 'uint8' }).activations
    assert.notDeepEqual(narrow.get('s')?.params.scale, Float32Array.of(2 ** -16))
  })

  it('bring a value of another type to that of the result in front of an operator', async () => {
    const model = draw('x[N,4,8,8] -> Conv 1x1 4->8 -> a; a -> Conv 1x1 8->8 -> Relu -> b; a -> Add =b -> y')
    const plan = planned(model, { overrides: { b: { type: 'uint8' } } })
    assert.equal(plan.activations.get('b')?.params.dtype, 'uint8')
    const written = insertQdq(model, plan)
    const pairs = written.graph.nodes.filter(
      ({ opType, name }) => opType === 'QuantizeLinear' && /\/u?int\d+\/q$/.test(name),
    )
    // The convolution that makes b reads 8 bits, the sum 16.
    assert.deepEqual(pairs.map(({ name }) => name).sort(), ['a/uint8/q', 'b/uint16/q'])
    const db = await noiseOf(model, written)
    assert.ok(db > 20, `${db}`)
    const bias = written.graph.initializers.get('Conv_v1/bias/scale')?.floats()[0] ?? 0
    const [input, weight] = ['a/uint8/scale', 'Conv_v1/weight/scale'].map(
      (name) => written.graph.initializers.get(name)?.floats()[0] ?? 0,
    )
    assert.equal(bias, Math.fround((input ?? 0) * (weight ?? 0)))
  })

  it('have a plan that can be written down', () => {
    const model = draw('x[N,4,8,8] -> Conv 1x1 4->8 -> Mul floats[8,1,1] -> y')
    const plan = planned(model)
    assert.deepEqual(planFromJson(JSON.parse(JSON.stringify(planToJson(plan)))), plan)
  })
})
