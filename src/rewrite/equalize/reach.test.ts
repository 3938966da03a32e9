import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import type { ChannelStatistics, Shapes, Statistics } from '../../onnx/index.ts'
import { reachesOf, widestReaches } from './reach.ts'

const seen = (mean: number, deviation: number, min: number, max: number): ChannelStatistics => ({
  mean: Float64Array.of(mean),
  deviation: Float64Array.of(deviation),
  min: Float64Array.of(min),
  max: Float64Array.of(max),
  source: 'calibrated',
})
const model = tinyModel('x[N,1,4,4] -> Conv 1x1 1->1 -> c -> Relu -> r -> Conv 1x1 1->1 -> y')
const known = (entries: Readonly<Record<string, ChannelStatistics>>): Statistics => new Map(Object.entries(entries))

describe('how far channels reach', () => {
  it('is four deviations from the mean, or what was seen where that is more', () => {
    const reach = reachesOf(model, known({ c: seen(1, 0.5, -4, 2) }))('c')
    assert.deepEqual([reach?.low[0], reach?.high[0]], [-4, 3])
    assert.equal(reachesOf(model, new Map())('c'), undefined)
  })

  it('is taken from in front of a Relu that kept a channel silent, and cut to its bounds', () => {
    const reach = reachesOf(model, known({ c: seen(-1, 1, -4, -0.1), r: seen(0, 0, 0, 0) }))('r')
    assert.deepEqual([reach?.low[0], reach?.high[0]], [0, 3])
  })
})

describe('how far whole values reach', () => {
  const shapes = (side: number): Shapes => new Map([['c', { dtype: 'float32', dims: [1, 1, side, side] }]])
  const high = (side: number, samples: number) =>
    widestReaches(model, known({ c: seen(0, 0.1, -10, 10) }), shapes(side), samples)('c')?.high ?? 0

  it('is half as far again as was seen on few samples of a small tensor, and less with many samples or a large map', () => {
    assert.ok(Math.abs(high(4, 16) - 15) < 0.02)
    assert.ok(high(4, 128) < 10.7 && high(4, 128) > 10.6)
    assert.ok(high(512, 16) < 10.2 && high(512, 16) > 10)
  })

  it('is as far as the largest of as many normal numbers', () => {
    const [samples, side] = [16, 4]
    const reach = widestReaches(model, known({ c: seen(0, 1, -1, 1) }), shapes(side), samples)('c')
    const deviations = Math.sqrt(2 * Math.log(samples * side * side))
    assert.ok(Math.abs((reach?.high ?? 0) - deviations) < 1e-9)
    assert.ok(Math.abs((reach?.low ?? 0) + deviations) < 1e-9)
  })
})
