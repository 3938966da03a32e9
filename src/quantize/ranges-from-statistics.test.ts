import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { contextOf } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { UnsupportedError } from '../base/index.ts'
import type { Bounds } from '../onnx/index.ts'
import { pixelBounds, statisticsWithoutData } from './ranges-from-statistics.ts'

const mean = Float64Array.of(1, -8, 0.25, 2)
const deviation = Float64Array.of(1, 0.5, 0, 3)
const statistics = new Map([['a', { mean, deviation, source: 'batch-norm' as const }]])

async function known(steps: string, wanted = ['y'], inputs?: ReadonlyMap<string, readonly Bounds[]>) {
  const model = tinyModel(`x[N,3,8,8] -> Conv 1x1 3->4 -> a -> ${steps}`)
  const { shapes } = await contextOf(model)
  return statisticsWithoutData(model, statistics, { shapes, deviations: 4, wanted, ...(inputs ? { inputs } : {}) })
}

const rangeOf = ({ min, max }: { min: number; max: number } = { min: Number.NaN, max: Number.NaN }) => [min, max]

describe('ranges without data', () => {
  it('are β ± kγ, inside the activation that caps it', async () => {
    const { tensors, channels } = await known('Clip number(0) number(6) -> y')
    assert.deepEqual(rangeOf(tensors.get('a')), [-10, 14])
    assert.deepEqual(rangeOf(tensors.get('y')), [0, 6])
    assert.deepEqual([...(channels.get('y')?.max ?? [])], [5, 0, 0.25, 6])
    assert.deepEqual([...(channels.get('a')?.max ?? [])], [5, -6, 0.25, 14])
    assert.ok((channels.get('y')?.mean[1] ?? 1) < 1e-50, 'a Gaussian 16 deviations below 0')
  })

  it('pass through pools, Flatten and Concat', async () => {
    const { tensors, channels } = await known(
      'Relu -> r; r -> MaxPool 2x2 -> m; m -> GlobalAveragePool -> g; r,r -> Concat axis=1 -> c; m -> Flatten -> f',
      ['m', 'g', 'c', 'f'],
    )
    for (const value of ['m', 'g', 'c', 'f'])
      assert.deepEqual(rangeOf(tensors.get(value)), [0, 2 + 6 * 3], 'nothing but a Relu bounds it: 6')
    assert.equal(channels.get('c')?.max?.length, 8)
    assert.equal(channels.get('f')?.max?.length, 4 * 49)
  })

  it('of a sum hold k deviations of independent parts', async () => {
    const { tensors, channels } = await known('Identity -> b; a,b -> Add -> y')
    assert.ok(Math.abs((channels.get('y')?.max?.[3] ?? 0) - (4 + 8 * Math.sqrt(18))) < 1e-9)
    assert.ok((tensors.get('y')?.max ?? 0) < 2 * (2 + 8 * 3))
  })

  it('of the graph input come from the preprocessing, and are asked for where it is missing', async () => {
    await assert.rejects(known('Relu -> y', ['x']), /graph input "x" is not known without data; give its preprocessing/)
    const given = pixelBounds({ scale: 1 / 255, mean: [0.5, 0.4, 0], std: [0.5, 0.2, 1] })
    const { tensors } = await known('Relu -> y', ['x', 'y'], new Map([['x', given]]))
    const [low, high] = rangeOf(tensors.get('x'))
    assert.ok(Math.abs((low ?? 0) + 2) < 1e-9 && Math.abs((high ?? 0) - 3) < 1e-9)
  })

  it('refuse a model without BatchNormalization', async () => {
    const model = tinyModel('x[N,3,8,8] -> Conv 1x1 3->4 -> Relu -> y')
    const { shapes } = await contextOf(model)
    assert.throws(
      () => statisticsWithoutData(model, new Map(), { shapes, deviations: 4, wanted: ['y'] }),
      (error) => error instanceof UnsupportedError && /no BatchNormalization .* samples/.test(error.message),
    )
  })
})
