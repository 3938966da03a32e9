import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Histogram, randomStream } from '../../math/index.ts'
import percentiles from './fixtures/range-percentile.json' with { type: 'json' }
import histograms from './fixtures/range-sqnr.json' with { type: 'json' }
import { percentile, quantiles } from './percentile.ts'
import { statisticsOf, type TensorStatistics } from './range.ts'

const seen = (values: Float32Array): TensorStatistics => {
  const histogram = new Histogram()
  histogram.add(values)
  return statisticsOf(histogram)
}

describe('the percentile range', () => {
  it('comes within one bin of the quantiles of the samples', () => {
    const byName = new Map(Object.entries(histograms.histograms))
    for (const { histogram, percentile: p, min, max } of percentiles.cases) {
      const { counts, first, width } = byName.get(histogram)!
      const quantile = quantiles({ first: first / width, width, counts: Float64Array.from(counts), zeros: 0 })
      assert.ok(Math.abs(quantile(p / 100) - max) <= width * 1.0001, `${histogram} ${p}`)
      assert.ok(Math.abs(quantile(1 - p / 100) - min) <= width * 1.0001, `${histogram} ${p}`)
    }
  })

  it('counts exact zeros', () => {
    // 900 zeros, then 1..100: the 95th percentile is 50.
    const values = Float32Array.from({ length: 1000 }, (_, i) => Math.max(0, i - 899))
    const { low, high } = percentile.range(seen(values), { dtype: 'uint8', percentile: 95 })
    assert.ok(low === 0 && Math.abs(high - 50) < 0.2, String(high))
  })

  it('of 100 is min-max', () => {
    const statistics = seen(Float32Array.of(-1.234, 0, 5.678))
    assert.deepEqual(percentile.range(statistics, { dtype: 'uint8', percentile: 100 }), {
      low: statistics.min,
      high: statistics.max,
    })
  })

  it('leaves out rare outliers at both ends', () => {
    const random = randomStream(0, 'percentile')
    const values = Float32Array.from({ length: 100_000 }, () => random.normal())
    values[5] = 80
    values[6] = -90
    const { low, high } = percentile.range(seen(values), { dtype: 'uint8' })
    assert.ok(high < 5 && low > -5 && high > 3 && low < -3)
  })

  it('refuses what is not a percentile', () => {
    for (const wrong of [0.9999, 101, Number.NaN])
      assert.throws(
        () => percentile.range(seen(Float32Array.of(1)), { dtype: 'uint8', percentile: wrong }),
        /percentile/,
      )
  })
})
