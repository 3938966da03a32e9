import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomFeeds, run } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import type { TensorStatistics } from '../../calibrate/index.ts'
import { sqnrDb } from '../../math/index.ts'
import { layersOf, type Model } from '../../onnx/index.ts'
import { activationTypes, targetNames, usualActivations } from '../../recipe/index.ts'
import { typesOf } from '../../runtime/index.ts'
import { slotsOf } from '../correct/slots.ts'
import { insertQdq } from '../insert.ts'
import { type QuantizeOptions, quantizeDefaults } from '../options.ts'
import { place } from '../placement/placement.ts'
import { makePlan, type Plan } from '../plan.ts'
import { weightBitsOf } from '../weight-bits.ts'
import { targetOf } from './index.ts'

/** A plan for values between −60 and 60, in the target's usual type. */
function planned(model: Model, name: string, more: Partial<QuantizeOptions> = {}): Plan {
  const target = targetOf(name)
  const [activationType] = target.activations.types as QuantizeOptions['activationType'][]
  const options = { ...quantizeDefaults, target, ...(activationType ? { activationType } : {}), ...more }
  const placement = place(model, options, typesOf(model))
  const seen: TensorStatistics = { min: -60, max: 60, count: 1 } as TensorStatistics
  const statistics = new Map([...placement.tensors.keys()].map((value) => [value, seen]))
  return makePlan(model, placement, { statistics, options })
}

const opsOf = (model: Model) => model.graph.nodes.map(({ opType }) => opType)

async function noiseOf(model: Model, written: Model): Promise<number> {
  const feeds = randomFeeds(model, 1)
  const [[before], [after]] = [Object.values(await run(model, feeds)), Object.values(await run(written, feeds))]
  return sqnrDb(before?.data as Float32Array, after?.data as Float32Array) ?? Number.POSITIVE_INFINITY
}

describe('types of values', () => {
  it('are the usual ones of each target, in the words of recipes', () => {
    for (const name of targetNames) {
      const usual = usualActivations[name] ?? activationTypes[0]
      assert.equal(targetOf(name).activations.types[0], usual, name)
    }
  })
})

describe('targets that read Q/DQ by themselves', () => {
  const drawing =
    'x[N,4,8,8] -> Conv 3x3 4->8 -> HardSwish -> a; a -> Conv 1x1 8->8 -> b; a -> Conv 1x1 8->8 -> Add =b -> c; c -> Conv 1x1 8->4 -> y'

  for (const name of ['openvino', 'tensorrt'])
    it(`get grids in front of layers and sums, and floats behind them (${name})`, async () => {
      const model = tinyModel(drawing)
      const plan = planned(model, name)
      assert.deepEqual(
        [...plan.activations.keys()].sort(),
        name === 'openvino' ? ['a', 'c', 'x'] : ['a', 'b', 'c', 'v2', 'x'],
      )
      assert.equal(plan.activations.has('v1'), false, 'a HardSwish reads it, in float')
      assert.equal(plan.activations.has('y'), false, 'nothing reads it in integers')
      const db = await noiseOf(model, insertQdq(model, plan))
      assert.ok(db > 15, `${db}`)
    })

  for (const name of ['openvino', 'tensorrt'])
    it(`keep biases in float, where corrections find them (${name})`, () => {
      const model = tinyModel(drawing)
      const written = insertQdq(model, planned(model, name))
      const types = [...written.graph.initializers]
        .filter(([tensor]) => /bias/.test(tensor))
        .map(([, { dtype }]) => dtype)
      assert.deepEqual(new Set(types), new Set(['float32']))
      for (const { bias } of slotsOf(written).values()) assert.ok(bias && 'float' in bias)
    })

  it('have only zero points of 0 where the target is symmetric', () => {
    const model = tinyModel(drawing)
    const { activations, weights } = planned(model, 'tensorrt')
    for (const { params } of activations.values()) assert.deepEqual([params.dtype, ...params.zeroPoint], ['int8', 0])
    for (const { dtype, zeroPoint } of weights.values())
      assert.ok(dtype === 'int8' && zeroPoint.every((zero) => zero === 0))
  })
})

describe('files for WebGPU', () => {
  it('store weights in codes and have no grid for any value', async () => {
    const model = tinyModel('x[N,8,8,8] -> Conv 3x3 8->16 -> Relu -> Flatten -> Gemm 576->4 -> y')
    const plan = planned(model, 'ort-webgpu')
    assert.deepEqual([plan.activations.size, plan.weights.size, plan.stored.size], [0, 0, 2])
    assert.match([...plan.placement.reasons.values()][0]?.text ?? '', /WebGPU has no integer kernel/)
    const written = insertQdq(model, plan)
    assert.equal(opsOf(written).includes('QuantizeLinear'), false)
    const db = await noiseOf(model, written)
    assert.ok(db > 30, `${db}`)
  })
})

describe('files for OpenVINO', () => {
  const model = tinyModel('x[N,4,8,8] -> Conv 1x1 4->8 -> y')
  const grid = (name: string, low: number, high: number) => {
    const target = targetOf(name)
    const seen: TensorStatistics = { min: low, max: high, count: 1 } as TensorStatistics
    const options = { ...quantizeDefaults, target }
    const plan = makePlan(model, place(model, options, typesOf(model)), { statistics: new Map([['x', seen]]), options })
    return plan.activations.get('x')?.params
  }

  it('have no grid on which pixels from −1 to 1 lie half-way between two codes', () => {
    const ties = ({ scale, zeroPoint }: NonNullable<ReturnType<typeof grid>>) =>
      Array.from({ length: 256 }, (_, pixel) => (pixel / 127.5 - 1) / (scale[0] ?? 1) + (zeroPoint[0] ?? 0)).filter(
        (place) => Math.abs(place - Math.floor(place) - 0.5) < 1e-4,
      ).length
    const [usual, own] = [grid('ort-cpu', -1, 1), grid('openvino', -1, 1)]
    assert.ok(usual && own)
    assert.equal(ties(usual), 256)
    assert.ok(ties(own) <= 1, `${ties(own)}`)
    assert.deepEqual(grid('openvino', -1, 2), grid('ort-cpu', -1, 2))
  })

  it('use 7 bits of their weights', () => {
    const options = { ...quantizeDefaults, target: targetOf('openvino') }
    assert.deepEqual([...weightBitsOf(layersOf(model), model.graph.nodes, options).values()], [7])
    assert.deepEqual(
      [...weightBitsOf(layersOf(model), model.graph.nodes, { ...options, weightBits: 4, keep8bit: [] }).values()],
      [4],
    )
  })
})
