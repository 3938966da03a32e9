import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { indexStep, indexTicks } from './axis.ts'
import { drawBadges } from './badges.ts'
import {
  barChart,
  bucketChannels,
  channelChart,
  heatMap,
  histogram,
  intervalChart,
  lineChart,
  rangeChart,
  relativeChart,
  scatterChart,
  strip,
} from './index.ts'

/** Numbers as runs give them: zeros, equal ones, tiny and huge ones. */
const number = fc.oneof(
  fc.constantFrom(0, 1, -1, 0.5),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  fc.double({ min: -1e-6, max: 1e-6, noNaN: true }),
)
const positive = number.map(Math.abs)
const list = (of: fc.Arbitrary<number> = number, maxLength = 90) => fc.array(of, { minLength: 1, maxLength })

/** Every number of every attribute of a picture is one, and it stands for something. */
function assertDrawn(svg: string): void {
  assert.doesNotMatch(svg.replace(/<title>[^<]*<\/title>|<text[^>]*>[^<]*<\/text>/g, ''), /NaN|Infinity|undefined/)
  for (const [, size] of svg.matchAll(/ (?:width|height|r|fill-opacity|stroke-width)="([^"]*)"/g))
    assert.ok(Number(size) >= 0, `size ${size}`)
  assert.match(svg, /^\s*<svg class="chart"[^>]* role="img"\s+aria-label="[^"]+"/)
}

function itDraws<T>(what: string, options: fc.Arbitrary<T>, draw: (options: T) => string): void {
  it(what, () =>
    fc.assert(
      fc.property(options, (given) => assertDrawn(draw(given))),
      { numRuns: 60 },
    ),
  )
}

const words = { label: 'what it shows', xAxis: 'x', yAxis: 'y' }

describe('charts of any numbers', () => {
  const value = fc.oneof(number, fc.constantFrom(null, undefined, Number.NaN, Number.POSITIVE_INFINITY))
  itDraws('are drawn as lines', fc.array(fc.tuple(value, value), { maxLength: 60 }), (pairs) =>
    lineChart({
      ...words,
      points: pairs.map(([own], i) => ({ value: own, title: `${i}`, ...(i % 7 === 0 ? { badge: '1' } : {}) })),
      second: { name: 'before', values: pairs.map(([, other]) => other) },
      ceiling: 'exact',
    }),
  )
  itDraws(
    'are drawn as histograms',
    fc.record({
      from: number,
      width: positive,
      counts: list(positive.map(Math.floor), 200),
      limits: fc.tuple(number, number),
    }),
    ({ from, width, counts, limits: [a, b] }) =>
      histogram({ ...words, from, to: from + width, counts, limits: [Math.min(a, b), Math.max(a, b)] }),
  )
  const ranges = list().map((mean) => ({ min: mean.map((m) => m - 1), mean, max: mean.map((m) => m + 1) }))
  itDraws('are drawn as channels', fc.tuple(ranges, fc.option(ranges)), ([own, before]) =>
    channelChart({ ...words, ...own, ...(before ? { before } : {}) }),
  )
  itDraws('are drawn relative to their median', fc.record({ values: list(positive), limit: positive }), (given) =>
    relativeChart({ ...words, ...given, outliers: [0], dead: [0] }),
  )
  itDraws('are drawn as points', fc.array(fc.tuple(number, number), { minLength: 1, maxLength: 40 }), (points) =>
    scatterChart({ ...words, x: points.map(([x]) => x), y: points.map(([, y]) => y), outliers: new Map([[0, 'far']]) }),
  )
  const rows = fc.array(fc.tuple(positive, positive), { minLength: 1, maxLength: 6 }).map((pairs) =>
    pairs.map(([own, room], i) => ({
      label: `row ${i}`,
      text: `${own}`,
      value: own,
      low: own - room,
      high: own + room,
    })),
  )
  itDraws('are drawn as bars', rows, (given) => barChart({ ...words, axis: 'ms', rows: given }))
  itDraws('are drawn as intervals', rows, (given) =>
    intervalChart({ ...words, axis: '%', rows: given, limits: [0, 1e6] }),
  )
  itDraws('are drawn as ranges', rows, (given) =>
    rangeChart({
      ...words,
      rows: given.map((row) => ({ ...row, observedLow: row.low - 1, observedHigh: row.high + 1 })),
    }),
  )
  itDraws(
    'are drawn as maps of heat',
    fc.record({ values: fc.array(fc.oneof(positive, fc.constant(null)), { maxLength: 8 }), full: positive }),
    ({ values, full }) =>
      heatMap({
        ...words,
        full,
        format: String,
        columns: values.map(String),
        rows: [{ name: 'row', values, chosen: 0 }],
      }),
  )
  itDraws('are drawn as lanes', fc.array(fc.nat({ max: 1 }), { maxLength: 400 }), (lanes) =>
    strip({
      ...words,
      lanes: [
        { name: 'integer', colour: 'accent' },
        { name: 'float', colour: 'base' },
      ],
      cells: lanes.map((lane, i) => ({ lane, title: `${i}` })),
    }),
  )
})

describe('a map of heat', () => {
  const shades = (full: number, ...values: (number | null)[]) => {
    const rows = [{ name: 'row', values }]
    const svg = heatMap({ ...words, full, format: String, columns: values.map(String), rows })
    return [...svg.matchAll(/fill-opacity="([^"]*)"/g)].map(([, shade]) => shade)
  }

  it('is shaded by the square root of its values, up to the full colour', () => {
    assert.deepEqual(shades(4, 0, 1, 4, 9, null), ['0', '0.5', '1', '1'])
  })

  it('has no colour where nothing is lost at all', () => {
    assert.deepEqual(shades(0, 0, -1), ['0', '0'])
  })
})

describe('a histogram', () => {
  const bars = (svg: string) =>
    [...svg.matchAll(/<title>([^:<]*): ([\d ,\u202f\u00a0]+), /g)].map(([, where, count]) => [where, count])

  it('adds neighbours up, and loses no count', () => {
    const svg = histogram({ ...words, from: 0, to: 96, counts: Array.from({ length: 96 }, () => 3) })
    assert.equal(bars(svg).length, 48)
    assert.deepEqual(bars(svg)[0], ['0 … 2', '6'])
    assert.deepEqual(bars(svg).at(-1), ['94 … 96', '6'])
  })

  it('ends its last bar where the values end, though its bins do not divide', () => {
    const svg = histogram({ ...words, from: 0, to: 50, counts: Array.from({ length: 50 }, () => 1) })
    assert.deepEqual(bars(svg).at(-1), ['48 … 50', '2'])
    const odd = histogram({ ...words, from: 0, to: 49, counts: Array.from({ length: 49 }, () => 1) })
    assert.deepEqual(bars(odd).at(-1), ['48 … 49', '1'])
  })

  it('leaves empty bins out, and shows the limits of the grid also beyond the values', () => {
    const svg = histogram({ ...words, from: 0, to: 3, counts: [1, 0, 2], limits: [-1, 4] })
    assert.equal(bars(svg).length, 2)
    const [, first = '', second = ''] = /class="bound" d="M([\d.]+) 20V\d+M([\d.]+) 20V/.exec(svg) ?? []
    assert.deepEqual([Number(first), Number(second)], [50, 328])
  })
})

describe('buckets of channels', () => {
  it('keep every extreme, and the mean of equally many', () => {
    fc.assert(
      fc.property(list(number, 40), fc.integer({ min: 1, max: 9 }), (mean, size) => {
        const all = { min: mean.map((m) => m - 2), mean, max: mean.map((m) => m + 1) }
        const { min, max } = bucketChannels(all, size)
        assert.equal(min.length, Math.ceil(mean.length / size))
        assert.deepEqual([Math.min(...min), Math.max(...max)], [Math.min(...all.min), Math.max(...all.max)])
        for (const [i, low] of all.min.entries()) assert.ok((min[Math.floor(i / size)] ?? 0) <= low)
      }),
    )
    assert.deepEqual(bucketChannels({ min: [1, 2, 3], mean: [1, 3, 5], max: [4, 3, 9] }, 2), {
      min: [1, 3],
      mean: [2, 5],
      max: [4, 9],
    })
  })
})

describe('ticks of numbered items', () => {
  it('rise, end at the last item, and are about as many as wanted', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 3, max: 20 }), (count, most) => {
        const ticks = indexTicks(count, most)
        assert.equal(ticks.at(-1), count)
        assert.ok(
          ticks.every((tick, i) => tick > (ticks[i - 1] ?? 0)),
          ticks.join(),
        )
        assert.ok(ticks.length <= most + 2, `${ticks.length} for ${most}`)
        assert.ok(count / indexStep(count, most) <= most)
      }),
    )
    assert.deepEqual(indexTicks(0, 5), [])
    assert.deepEqual(indexTicks(27, 5), [1, 10, 20, 27])
  })
})

describe('badges', () => {
  it('do not cover each other while there is room', () => {
    const spots = [50, 52, 54].map((x, i) => ({ x, y: 100, text: String(i) }))
    const drawn = [...drawBadges(spots, 300).text.matchAll(/cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) =>
      [x, y].map(Number),
    )
    assert.deepEqual(
      drawn.map(([, y]) => y),
      [117, 83, 135],
    )
    for (const [i, [ax = 0, ay = 0]] of drawn.entries())
      for (const [bx = 0, by = 0] of drawn.slice(i + 1)) assert.ok(Math.hypot(ax - bx, ay - by) >= 18)
  })

  it('stand above a point that lies low', () => {
    assert.match(drawBadges([{ x: 10, y: 90, text: '1' }], 100).text, /cy="73"/)
  })
})
