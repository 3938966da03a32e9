import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Histogram, randomStream } from '../../math/index.ts'
import { entropy, oneSided } from './entropy.ts'
import golden from './fixtures/range-entropy.json' with { type: 'json' }
import { statisticsOf, type TensorStatistics } from './range.ts'

/** The definition, bin by bin, for values from 0 on. */
function slowDivergence(counts: readonly number[], threshold: number, levels: number): number {
  const kept = counts.slice(0, threshold)
  const p = [...kept]
  p[threshold - 1]! += counts.slice(threshold).reduce((a, b) => a + b, 0)
  const q = kept.map((_, j) => {
    const level = Array.from({ length: levels }, (_, l) => l).find(
      (l) => j < Math.floor(((l + 1) * threshold) / levels),
    )!
    const slice = kept.slice(Math.floor((level * threshold) / levels), Math.floor(((level + 1) * threshold) / levels))
    const filled = slice.filter((count) => count > 0).length
    if (kept[j] === 0) return p[j]! > 0 ? 1e-4 : 0
    return slice.reduce((a, b) => a + b) / filled
  })
  const [totalP, totalQ] = [p, q].map((list) => list.reduce((a, b) => a + b)) as [number, number]
  return p.reduce((sum, x, j) => (x > 0 ? sum + (x / totalP) * Math.log(x / totalP / (q[j]! / totalQ)) : sum), 0)
}

const seen = (length: number, next: () => number): TensorStatistics => {
  const histogram = new Histogram()
  histogram.add(Float32Array.from({ length }, next))
  return statisticsOf(histogram)
}

describe('the entropy range', () => {
  it('has the lowest divergence of its definition', () => {
    const random = randomStream(0, 'entropy')
    for (let round = 0; round < 20; round++) {
      const counts = Array.from({ length: 90 }, (_, j) => Math.floor(200 * Math.exp(-j / 15) * random.next()))
      const got = oneSided({ counts: Float64Array.from(counts), width: 1 }, 16, 1)
      const all = Array.from({ length: 90 - 16 }, (_, i) => slowDivergence(counts, i + 17, 16))
      const best = Math.min(...all)
      assert.ok(all[got - 17]! <= best + 1e-9, `${got}: ${all[got - 17]}, best ${best}`)
    }
  })

  it('comes within two bins of ONNX Runtime’s where its integer rounding of Q does not decide', () => {
    const comparable = golden.cases.filter(({ name }) => ['outlier', 'negative', 'positive', 'uniform'].includes(name))
    assert.ok(comparable.length >= 5)
    for (const { name, counts, width, levels, min, max, expected } of comparable) {
      const zero = (counts.length - 1) / 2
      const folded = new Float64Array(zero + 1)
      counts.forEach((count, j) => {
        folded[Math.abs(j - zero)]! += count
      })
      // Bin 0 of these figures is centred on zero.
      const end = oneSided({ counts: folded, width }, levels / 2, 1) - width / 2
      assert.ok(Math.abs(Math.min(end, max) - expected.max) <= 2 * width || expected.max === max, `${name} ${levels}`)
      assert.ok(Math.abs(Math.max(-end, min) - expected.min) <= 2 * width || expected.min === min, `${name} ${levels}`)
    }
  })

  it('clips a long thin tail, on one side or both', () => {
    const random = randomStream(0, 'tails')
    const normal = () => (random.next() < 1e-4 ? 30 : 1) * random.normal()
    const relu = entropy.range(
      seen(200_000, () => Math.max(0, normal())),
      { dtype: 'uint8' },
    )
    assert.ok(relu.low === 0 && relu.high < 20 && relu.high > 2, `${relu.high}`)
    const both = entropy.range(seen(200_000, normal), { dtype: 'uint8' })
    assert.ok(both.low > -20 && both.low < -2 && both.high < 20 && both.high > 2, `${both.low}..${both.high}`)
    const even = entropy.range(seen(200_000, normal), { dtype: 'int8', symmetric: true })
    assert.ok(even.low === -even.high && even.high < 20 && even.high > 2, `${even.high}`)
  })

  it('mirrors when the data are mirrored', () => {
    const random = randomStream(0, 'mirror')
    const values = Float32Array.from({ length: 50_000 }, () => random.normal() ** 2)
    const [up, down] = [values, values.map((x) => -x)].map((data) => {
      const histogram = new Histogram()
      histogram.add(data)
      return entropy.range(statisticsOf(histogram), { dtype: 'uint8' })
    }) as [{ low: number; high: number }, { low: number; high: number }]
    // A value on an edge belongs to the bin above it, on either side: one bin of difference.
    assert.ok(Math.abs(up.high + down.low) < 0.02 * up.high)
  })

  it('is for 8 bits or less', () => {
    assert.throws(() => entropy.range(seen(9, Math.random), { dtype: 'uint16' }), /8 bits or less/)
  })
})
