import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Histogram } from './histogram.ts'

function histogramOf(...parts: readonly (readonly number[] | Float32Array)[]): Histogram {
  const histogram = new Histogram()
  for (const part of parts) histogram.add(Float32Array.from(part))
  return histogram
}

function assertSame(a: Histogram, b: Histogram): void {
  for (const key of ['count', 'zeros', 'nonFinite', 'min', 'max', 'exponent', 'first'] as const)
    assert.equal(a[key], b[key], key)
  assert.deepEqual(a.bins, b.bins)
}

const floats = fc.array(
  fc.oneof(fc.float(), fc.float({ min: -8, max: 8 }), fc.constant(0), fc.constant(-0), fc.float({ min: 1, max: 2 })),
  { maxLength: 60 },
)

describe('the streaming histogram', () => {
  it('is the same whatever the order of the values', () => {
    fc.assert(fc.property(floats, (values) => assertSame(histogramOf(values), histogramOf(values.toReversed()))))
  })

  it('is the same whatever the split, added or merged', () => {
    fc.assert(
      fc.property(floats, floats, floats, (a, b, c) => {
        const whole = histogramOf([...a, ...b, ...c])
        assertSame(whole, histogramOf(a, b, c))
        const merged = histogramOf(a)
        const rest = histogramOf(b)
        rest.merge(histogramOf(c))
        merged.merge(rest)
        assertSame(whole, merged)
      }),
    )
  })

  it('puts every non-zero value into the bin whose edges hold it', () => {
    fc.assert(
      fc.property(floats, (values) => {
        const histogram = histogramOf(values)
        const expected = new Float64Array(2048)
        for (const value of values)
          if (Number.isFinite(value) && value !== 0)
            expected[Math.floor(value / histogram.width) - histogram.first]! += 1
        assert.deepEqual(histogram.bins, expected)
      }),
    )
  })

  it('uses the narrowest bins that hold the range', () => {
    const histogram = histogramOf([-1, 1])
    assert.equal(histogram.exponent, -9)
    assert.equal(histogram.first, -512)
    assert.equal(histogramOf([0, 1]).exponent, -10)
    assert.equal(histogramOf([0, 1 - 2 ** -20]).exponent, -11)
    assert.equal(histogramOf([1, 1.01]).exponent, -17)
  })

  it('does not make bins narrower than float32 resolves', () => {
    const histogram = histogramOf([3, 3, 3])
    assert.equal(histogram.exponent, 1 - 23)
    assert.equal(histogram.bins[0], 3)
  })

  it('counts zeros apart, and NaN and infinities nowhere else', () => {
    const histogram = histogramOf([0, -0, 1, Number.NaN, Number.POSITIVE_INFINITY, -2])
    assert.equal(histogram.zeros, 2)
    assert.equal(histogram.count, 4)
    assert.equal(histogram.nonFinite, 2)
    assert.equal(
      histogram.bins.reduce((a, b) => a + b),
      2,
    )
    assert.deepEqual([histogram.min, histogram.max], [-2, 1])
  })

  it('knows nothing before the first value', () => {
    const histogram = histogramOf([], [Number.NaN])
    assert.deepEqual([histogram.count, histogram.min, histogram.nonFinite], [0, Number.POSITIVE_INFINITY, 1])
  })

  it('takes every stride-th value from the phase on', () => {
    const values = Float32Array.from({ length: 10_000 }, (_, i) => i + 1)
    const sample = new Histogram()
    sample.add(values, 61, 7)
    assertSame(sample, histogramOf(values.filter((_, i) => i % 61 === 7)))
  })

  it('spans the whole of float32', () => {
    const histogram = histogramOf([-3.4e38, 3.4e38, 1e-45])
    assert.equal(histogram.count, 3)
    assert.equal(
      histogram.bins.reduce((a, b) => a + b),
      3,
    )
  })
})
