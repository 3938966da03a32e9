import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Histogram, type QuantType } from '../../math/index.ts'
import { defineRange, listed, rangeSettingOf, rangeSettings, statisticsOf, type TensorStatistics } from './index.ts'
import { minmax } from './minmax.ts'

function seen(values: Float32Array): TensorStatistics {
  const histogram = new Histogram()
  histogram.add(values)
  return statisticsOf(histogram)
}

describe('range settings', () => {
  it('hold what new samples bring where an end all but holds what was seen, and clip on purpose elsewhere', () => {
    const statistics = { count: 9, nonFinite: 0, zeros: 0, min: -10, max: 10, margin: { low: 1, high: 2 } }
    const proposing = (low: number, high: number) =>
      defineRange({ name: 'mse', needsHistogram: false, range: () => ({ low, high }) }).range(statistics, {
        dtype: 'uint8',
      })
    assert.deepEqual(proposing(-9, 9.5), { low: -11, high: 12 })
    assert.deepEqual(proposing(-3, 9.5), { low: -3, high: 12 })
    assert.deepEqual(proposing(-11, 12), { low: -11, high: 12 })
  })

  const values = fc.float32Array({
    noNaN: true,
    noDefaultInfinity: true,
    minLength: 1,
    maxLength: 80,
    min: -100,
    max: 100,
  })
  const types = fc.constantFrom<QuantType[]>('uint8', 'int8', 'int4')

  for (const setting of rangeSettings)
    it(`${setting.name} holds zero, stays inside what was seen and inside the producer’s bounds`, () => {
      fc.assert(
        fc.property(values, types, (data, dtype) => {
          const statistics = seen(data)
          const { low, high } = setting.range(statistics, { dtype })
          // A range may end on the edge of the outermost bin, or where a code is.
          const bin =
            (statistics.histogram?.width ?? 0) + (Math.max(statistics.max, 0) - Math.min(statistics.min, 0)) / 15
          assert.ok(low <= 0 && high >= 0)
          assert.ok(low >= Math.min(0, statistics.min) - bin && high <= Math.max(0, statistics.max) + bin)
          const bounded = setting.range(statistics, { dtype, lowBound: 0, highBound: 6 })
          assert.ok(bounded.low === 0 && bounded.high <= 6)
        }),
        { numRuns: 60 },
      )
    })

  for (const setting of rangeSettings)
    it(`${setting.name} is even on both sides when symmetric`, () => {
      const statistics = seen(Float32Array.of(-3, -1, 0.5, 1, 2))
      const { low, high } = setting.range(statistics, { dtype: 'int8', symmetric: true })
      assert.equal(low, -high)
      assert.ok(high > 1)
      assert.throws(() => setting.range(statistics, { dtype: 'uint8', symmetric: true }), /signed type|asymmetric/)
    })

  it('knows nothing of a tensor without values', () => {
    for (const setting of rangeSettings)
      assert.deepEqual(setting.range(seen(new Float32Array(0)), { dtype: 'uint8' }), { low: 0, high: 0 })
  })

  it('take a tensor of zeros, of one value, of one sign', () => {
    for (const setting of rangeSettings) {
      assert.deepEqual(setting.range(seen(new Float32Array(5)), { dtype: 'uint8' }), { low: 0, high: 0 })
      const one = setting.range(seen(Float32Array.of(3, 3)), { dtype: 'uint8' })
      assert.ok(one.low === 0 && Math.abs(one.high - 3) < 0.01, `${setting.name} ${one.high}`)
      const negative = setting.range(seen(Float32Array.of(-3, -2)), { dtype: 'uint8' })
      assert.ok(negative.high === 0 && negative.low < -1, `${setting.name} ${negative.low}`)
    }
  })

  it('say so when the histogram they need is missing', () => {
    const { histogram: _, ...statistics } = seen(Float32Array.of(1))
    for (const setting of rangeSettings.filter(({ needsHistogram }) => needsHistogram))
      assert.throws(() => setting.range(statistics, { dtype: 'uint8' }), /needs a histogram/)
    assert.deepEqual(minmax.range(statistics, { dtype: 'uint8' }), { low: 0, high: 1 })
  })

  it('are found by name, and an unknown name lists them', () => {
    assert.equal(rangeSettingOf('mse').name, 'mse')
    assert.throws(() => rangeSettingOf('msе'), /choose one of minmax, percentile, mse, sqnr, entropy/)
  })

  it('must not share a name', () => {
    assert.throws(() => listed([minmax, minmax]), /two range settings are called "minmax"/)
  })
})
