import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  byteAxis,
  formatBytes,
  formatCount,
  formatDate,
  formatDb,
  formatDifference,
  formatFactor,
  formatFixed,
  formatInteger,
  formatMetric,
  formatMs,
  formatNumber,
  formatPercent,
  formatPercentTick,
  formatPlural,
  formatSeconds,
  formatShareInterval,
  formatSigned,
  plainText,
  shortenMiddle,
} from './format.ts'

/** Checks rows of input and the text it must give. */
function shows<Value>(format: (value: Value) => string, rows: readonly (readonly [Value, string])[]): void {
  for (const [value, text] of rows) assert.equal(format(value), text)
}

describe('number formats', () => {
  it('use a real minus, and none for what rounds to zero', () => {
    shows(
      (value: number) => formatFixed(value, 1),
      [
        [-1.25, '−1.3'],
        [-0.04, '0.0'],
        [2, '2.0'],
      ],
    )
    shows(formatInteger, [
      [-1234, '−1,234'],
      [-0.4, '0'],
      [999, '999'],
      [1_234_567, '1,234,567'],
    ])
  })

  it('show bare numbers to four significant digits', () => {
    shows(formatNumber, [
      [0, '0'],
      [0.03125, '0.03125'],
      [1.23456, '1.235'],
      [-12.5, '−12.5'],
      [1.2e-8, '1.2e−8'],
      [4.56e9, '4.56e9'],
    ])
    shows(formatNumber, [
      [Number.NaN, '–'],
      [Infinity, '–'],
      [-Infinity, '–'],
    ])
  })

  it('scale counts and bytes by thousands and never show "1000 k"', () => {
    shows(formatCount, [
      [940, '940'],
      [4230, '4.23 k'],
      [999_999, '1.00 M'],
      [1.2e9, '1.20 G'],
    ])
    shows(formatBytes, [
      [0, '0 B'],
      [512, '512 B'],
      [11_500, '11.5 kB'],
      [999_960, '1.0 MB'],
      [3_900_000, '3.9 MB'],
    ])
  })

  it('give all ticks of a byte axis one unit', () => {
    const axis = byteAxis(2_500_000)
    assert.deepEqual([axis.unit, axis.format(500_000), axis.format(2_500_000)], ['MB', '0.5', '2.5'])
    assert.equal(byteAxis(0).unit, 'B')
  })

  it('show times in the unit that fits, the spread with the same digits', () => {
    shows(formatMs, [
      [0.0421, '42.1 µs'],
      [5.2351, '5.24 ms'],
      [123.4, '123 ms'],
      [12_345, '12.3 s'],
    ])
    assert.equal(formatMs(5.2351, 0.0312), '5.24 ± 0.03 ms')
    shows(formatSeconds, [
      [0.42, '0.4 s'],
      [12.4, '12 s'],
      [59.7, '1 min 0 s'],
      [184, '3 min 4 s'],
    ])
  })

  it('never round a share up to 100 % or down to 0 %', () => {
    shows(formatPercent, [
      [1, '100 %'],
      [0, '0 %'],
      [0.584, '58.4 %'],
      [0.9999, '99.99 %'],
      [0.0001, '0.01 %'],
    ])
    shows(formatPercent, [
      [0.999_999_9, '> 99.999 %'],
      [1e-9, '< 0.001 %'],
      [49.155, '4915.5 %'],
      [Number.NaN, '–'],
    ])
    assert.equal(formatPercentTick(0.995), '99.5 %')
  })

  it('show an SQNR as exact only when it is null', () => {
    shows(formatDb, [
      [null, 'exact'],
      [undefined, '–'],
      [30.64, '30.6 dB'],
      [-3.2, '−3.2 dB'],
      [0, '0.0 dB'],
    ])
    shows(formatDb, [
      [-Infinity, '−∞ dB'],
      [Infinity, '∞ dB'],
      [Number.NaN, 'not a number'],
    ])
  })

  it('show factors with the digits that matter', () => {
    shows(formatFactor, [
      [0.918, '0.92×'],
      [1, '1.0×'],
      [3.49, '3.5×'],
      [28.1, '28×'],
    ])
  })

  it('show an even interval as ±, a lopsided one with both ends', () => {
    assert.equal(formatShareInterval(0.584, { low: 0.541, high: 0.627 }), '58.4 % ± 4.3')
    assert.equal(formatShareInterval(0.99, { low: 0.951, high: 0.998 }), '99.0 % (95.1 … 99.8 %)')
  })

  it('show a metric in its own unit', () => {
    const interval = { low: 0.5, high: 0.61 }
    const metric = { name: 'loss', value: 0.55, interval, samples: 9, unit: 'nats' }
    assert.equal(formatMetric(metric), '0.55 nats (0.5 … 0.61)')
    assert.equal(formatMetric({ ...metric, unit: '' }), '0.55 (0.5 … 0.61)')
    assert.equal(formatDifference(metric), '–')
  })

  it('show a difference of shares in points, with its sign', () => {
    const interval = { low: 0.5, high: 0.7 }
    const difference = { value: -0.004, interval: { low: -0.012, high: 0.004 } }
    const metric = { name: 'top1', value: 0.6, interval, samples: 9, difference }
    assert.equal(formatDifference(metric), '−0.4 points (−1.2 … +0.4)')
    shows(formatSigned, [
      [0.021, '+2.1'],
      [0, '0.0'],
      [-0.021, '−2.1'],
    ])
  })

  it('show dates in UTC and leave other text alone', () => {
    shows(formatDate, [
      ['2026-05-01T12:34:56.789Z', '2026-05-01 12:34 UTC'],
      ['yesterday', 'yesterday'],
    ])
  })

  it('count in singular and plural', () => {
    assert.deepEqual(
      [0, 1, 1200].map((count) => formatPlural(count, 'layer')),
      ['0 layers', '1 layer', '1,200 layers'],
    )
  })
})

describe('names from files', () => {
  it('lose control characters, escape codes and marks that turn text around', () => {
    assert.equal(plainText('a\u001b[31mb\u0000c\u202ed\ud800e'), 'a\ufffd[31mb\ufffdc\ufffdd\ufffde')
    assert.equal(plainText('größe\t層\n'), 'größe\t層\n')
  })

  it('are shortened in the middle to exactly the length asked for', () => {
    assert.equal(shortenMiddle('abc', 3), 'abc')
    const short = shortenMiddle('backbone/stage1/block2/conv3', 12)
    assert.equal(short.length, 12)
    assert.match(short, /^back….*conv3$/)
  })
})
