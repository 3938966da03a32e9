// Where marks stand, against the same arithmetic done by hand: a picture may look well and still lie.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertNear } from '../../../test/support/assert-near.ts'
import {
  barChart,
  heatMap,
  intervalChart,
  lineChart,
  pairChart,
  rangeChart,
  rangeStrip,
  relativeChart,
  scatterChart,
  strip,
} from './index.ts'
import { countScale, logScale } from './scale.ts'

const words = { label: 'what it shows', xAxis: 'x', yAxis: 'y', axis: 'ms' }

/** All numbers that a pattern finds, group by group. */
const found = (svg: string, pattern: RegExp): number[][] =>
  [...svg.matchAll(pattern)].map(([, ...groups]) => groups.map(Number))
/** Value of an axis tick → where it stands along x or y. */
function ticksOf(svg: string, along: 'x' | 'y'): Map<number, number> {
  const pattern =
    along === 'x'
      ? /class="quiet mid" x="([\d.]+)" y="[\d.]+">([−\d.]+)</g
      : /class="quiet end" x="[\d.]+" y="([\d.]+)">([−\d.]+)</g
  // Words of a y axis stand 4 px below their line.
  const below = along === 'x' ? 0 : 4
  return new Map(
    [...svg.matchAll(pattern)].map(([, at, text = '']) => [Number(text.replace('−', '-')), Number(at) - below]),
  )
}

/** Reads a place back as a value, from the outer ticks of the axis. */
function valueAt(ticks: ReadonlyMap<number, number>, place: number): number {
  const sorted = [...ticks].sort(([x], [y]) => x - y)
  const [[a, from] = [0, 0], [b, to] = [1, 1]] = [sorted[0], sorted.at(-1)]
  return a + ((place - from) / (to - from)) * (b - a)
}

describe('bars', () => {
  const row = (value: number, more = {}) => ({ label: `${value}`, text: `${value} ms`, value, ...more })

  it('are as long as their values, from zero, with whiskers at their ends', () => {
    const svg = barChart({ ...words, rows: [row(8, { low: 6, high: 13, strong: true }), row(4), row(0)] })
    const ticks = ticksOf(svg, 'x')
    const lengths = found(svg, /<rect class="(?:accent|base)" x="1" y="\d+" width="([\d.]+)"/g).flat()
    assertNear([valueAt(ticks, 1 + lengths[0]!), valueAt(ticks, 1 + lengths[1]!)], [8, 4], 0.02)
    assert.equal(lengths[2], 1, 'a bar of nothing can still be seen')
    const [[from = 0, to = 0] = []] = found(svg, /class="whisker" d="M([\d.]+) \d+H([\d.]+)/g)
    assertNear([valueAt(ticks, from), valueAt(ticks, to)], [6, 13], 0.02)
    assert.ok(to <= 316, 'the whisker stays on the paper')
    assert.deepEqual(
      [...svg.matchAll(/<rect class="(accent|base)"/g)].map(([, kind]) => kind),
      ['accent', 'base', 'base'],
    )
  })

  it('in pairs share one axis that reaches the longest of all', () => {
    const svg = pairChart({
      ...words,
      rows: [
        { label: 'a', text: 't', before: 2, after: 10 },
        { label: 'b', text: 't', before: 5, after: 0 },
      ],
    })
    const ticks = ticksOf(svg, 'x')
    const lengths = found(svg, /<rect class="(?:accent|base)" x="1" y="\d+" width="([\d.]+)"/g).flat()
    assertNear(
      lengths.slice(0, 3).map((length) => valueAt(ticks, 1 + length)),
      [2, 10, 5],
      0.02,
    )
  })
})

describe('points with intervals', () => {
  it('stand inside of them, and the axis leaves the limits of a share alone', () => {
    const rows = [
      { label: 'a', text: '98 %', value: 0.98, low: 0.95, high: 1, strong: true },
      { label: 'b', text: '90 %', value: 0.9, low: 0.86, high: 0.93 },
    ]
    const svg = intervalChart({ ...words, rows, limits: [0, 1] })
    const ticks = ticksOf(svg, 'x')
    assert.ok(Math.max(...ticks.keys()) <= 1)
    const [[dot = 0] = []] = found(svg, /<circle class="accent" cx="([\d.]+)"/g)
    const [[square = 0] = []] = found(svg, /<rect class="base" x="([\d.]+)"/g)
    assertNear([valueAt(ticks, dot), valueAt(ticks, square + 4.5)], [0.98, 0.9], 1e-3)
    const ends = found(svg, /class="whisker" d="M([\d.]+) \d+H([\d.]+)/g).flat()
    assertNear(
      ends.map((place) => valueAt(ticks, place)),
      [0.95, 1, 0.86, 0.93],
      1e-3,
    )
  })
})

describe('a line', () => {
  it('passes through its values, breaks at a gap, and has zero on its axis', () => {
    const values = [12, 4, undefined, 20, 16]
    const svg = lineChart({ ...words, points: values.map((value, i) => ({ value, title: `${i}` })) })
    const ticks = ticksOf(svg, 'y')
    assert.ok(ticks.has(0))
    const wire = /class="wire" d="([^"]*)"/.exec(svg)?.[1] ?? ''
    assert.equal(wire.replace(/[\d. ]+/g, ''), 'MLML')
    const places = found(wire, /[ML]([\d.]+) ([\d.]+)/g)
    assertNear(
      places.map(([, y = 0]) => valueAt(ticks, y)),
      [12, 4, 20, 16],
      0.05,
    )
    // Evenly spaced over the paper, the gap included.
    assertNear([places[0]?.[0] ?? 0, places.at(-1)?.[0] ?? 0], [70, 1006], 0.1)
    const [a = 0, b = 0, d = 0, e = 0] = places.map(([x = 0]) => x)
    assertNear([d - b, e - d], [2 * (b - a), b - a], 0.21)
  })

  it('keeps points apart from numbers that are none, and draws two marks', () => {
    const svg = lineChart({
      ...words,
      points: [
        { value: 3, title: 'a' },
        { value: 3, title: 'b', hollow: true },
      ],
    })
    assert.deepEqual(
      [found(svg, /<circle class="accent" cx="([\d.]+)"/g).length, found(svg, /class="hollow" d="M([\d.]+)/g).length],
      [1, 1],
    )
    const small = lineChart({ ...words, titles: false, points: [{ value: 3, title: 'unsaid' }] })
    assert.doesNotMatch(small, /unsaid/)
  })
})

describe('a range against what was seen', () => {
  const row = (low: number, high: number, observedLow: number, observedHigh: number) => ({
    label: 'a',
    text: 't',
    low,
    high,
    observedLow,
    observedHigh,
  })
  const line = (svg: string) => /class="whisker" d="([^"]*)"/.exec(svg)?.[1] ?? ''

  it('is a share of the range: half of it seen is half as long', () => {
    const svg = rangeChart({ ...words, rows: [row(-4, 4, -2, 2)] })
    const [[left = 0, width = 0] = []] = found(svg, /class="soft" x="([\d.]+)" y="\d+" width="([\d.]+)"/g)
    const [[from = 0, to = 0] = []] = found(line(svg), /M([\d.]+) \d+H([\d.]+)/g)
    assertNear([(from - left) / width, (to - left) / width], [0.25, 0.75], 1e-3)
  })

  it('ends in an arrow where it leaves the range by more than its width, in a tick elsewhere', () => {
    assert.equal(line(rangeChart({ ...words, rows: [row(0, 1, 0, 2.5)] })).match(/L/g)?.length, 2)
    assert.doesNotMatch(line(rangeChart({ ...words, rows: [row(0, 1, -0.5, 1.9)] })), /L/)
    const [[from = 9, to = 0] = []] = found(
      line(rangeChart({ ...words, rows: [row(0, 1, -50, 50)] })),
      /M([\d.]+) \d+H([\d.]+)/g,
    )
    assert.ok(from >= 14 && to <= 476, 'it stays on the paper')
  })
})

describe('channels side by side', () => {
  it('of which some go apart leave a band for the range of the others', () => {
    const svg = rangeStrip({ ...words, min: [-1, -2, 0], max: [1, 30, 4], bucketed: 1, channels: 3, apart: [1] })
    const ticks = ticksOf(svg, 'y')
    const [[top = 0, height = 0] = []] = found(
      svg,
      /class="soft" x="50" y="([\d.]+)" width="[\d.]+" height="([\d.]+)"/g,
    )
    assertNear([valueAt(ticks, top), valueAt(ticks, top + height)], [4, -1], 0.1)
    assert.equal(found(/class="apart"[^>]*d="([^"]*)"/.exec(svg)?.[1] ?? '', /M([\d.]+)/g).length, 1)
    assert.equal(found(/class="bars"[^>]*d="([^"]*)"/.exec(svg)?.[1] ?? '', /M([\d.]+)/g).length, 2)
    const [, ...numbers] = /<text class="mid" x="[\d.]+" y="28">(\d+)</.exec(svg) ?? []
    assert.deepEqual(numbers, ['1'])
    assert.doesNotMatch(
      rangeStrip({ ...words, min: [0], max: [1], bucketed: 1, channels: 1, apart: [] }),
      /class="soft"/,
    )
  })

  it('relative to the median stand on a logarithmic axis: equal factors, equal ways', () => {
    const svg = relativeChart({ ...words, values: [1, 10, 100], limit: 10, outliers: [2], dead: [] })
    const [[a = 0] = [], [b = 0] = [], [c = 0] = []] = found(
      /class="dots" d="([^"]*)"/.exec(svg)?.[1] ?? '',
      /M[\d.]+ ([\d.]+)/g,
    )
    assertNear([a - b], [b - c], 0.21)
    const [[limit = 0] = []] = found(svg, /class="bound" d="M\d+ ([\d.]+)/g)
    assertNear([limit], [b], 0.11)
  })
})

describe('points in two directions', () => {
  it('stand at their values, and what was before far outside stands at the edge', () => {
    const svg = scatterChart({
      ...words,
      x: [0, 2],
      y: [1, 3],
      before: { x: [1000], y: [2] },
      outliers: new Map([[1, 'far']]),
    })
    const [xs, ys] = [ticksOf(svg, 'x'), ticksOf(svg, 'y')]
    const dots = found(/class="dots" d="([^"]*)"/.exec(svg)?.[1] ?? '', /M([\d.]+) ([\d.]+)/g)
    assertNear(
      dots.map(([x = 0]) => valueAt(xs, x)),
      [0, 2],
      0.03,
    )
    assertNear(
      dots.map(([, y = 0]) => valueAt(ys, y)),
      [1, 3],
      0.03,
    )
    const [[ghost = 0] = []] = found(/class="ghost" d="([^"]*)"/.exec(svg)?.[1] ?? '', /M([\d.]+) /g)
    assert.equal(ghost, 336)
    assert.match(svg, /class="alarm"[^>]*><title>far<\/title>/)
  })
})

describe('lanes and cells', () => {
  const lanes = [
    { name: 'integer', colour: 'accent' },
    { name: 'float', colour: 'warn' },
  ] as const
  const cells = [0, 1, 0].map((lane, i) => ({ lane, title: `layer ${i}` }))

  it('put every layer at its place in its lane, whether drawn alone or as one path', () => {
    const svg = strip({ ...words, lanes, cells })
    const one = found(svg, /class="(?:accent|warn)" d="M([\d.]+) (\d+)h/g)
    assertNear(
      one.map(([x = 0]) => x),
      [65, 113, 161],
      0.01,
    )
    assert.deepEqual(
      one.map(([, y]) => y),
      [4, 34, 4],
    )
    const paths = strip({ ...words, lanes, cells, titles: false })
    assert.deepEqual(
      found(paths, /M([\d.]+) (\d+)h/g).sort(([a = 0], [b = 0]) => a - b),
      one,
    )
    assert.doesNotMatch(paths, /layer 0/)
  })

  it('of heat are framed where they were chosen, and empty where there is nothing', () => {
    const rows = [{ name: 'conv', values: [0.25, null, 1], chosen: 2 }]
    const svg = heatMap({ ...words, rows, columns: ['0.2', '0.4', '0.6'], full: 1, format: String })
    const places = found(svg, /<rect class="accent" x="([\d.]+)"[^>]*fill-opacity="([\d.]+)"/g)
    assert.deepEqual(
      places.map(([, shade]) => shade),
      [0.5, 1],
    )
    const [[frame] = []] = found(svg, /<rect x="([\d.]+)"[^>]*fill="none"/g)
    assert.equal(frame, places[1]?.[0])
    assert.match(svg, /conv, 0.6: 1</)
  })
})

describe('scales that are not linear', () => {
  it('of counts have zero at the start and grow by digits', () => {
    const scale = countScale({ domain: [0, 999], range: [0, 300] })
    assert.deepEqual(scale.ticks, [0, 1, 10, 100])
    assertNear([scale.at(0), scale.at(9), scale.at(99), scale.at(999), scale.at(-5)], [0, 100, 200, 300, 0], 1e-9)
  })

  it('of factors end at the ticks around the values', () => {
    const scale = logScale({ domain: [0.3, 40], range: [0, 100] })
    assert.deepEqual(
      [scale.domain, scale.ticks],
      [
        [0.2, 50],
        [0.2, 0.5, 1, 2, 5, 10, 20, 50],
      ],
    )
    assertNear([scale.at(0.2), scale.at(Math.sqrt(10)), scale.at(50)], [0, 50, 100], 1e-9)
    const wide = logScale({ domain: [1e-3, 1e6], range: [0, 1] })
    assert.ok(
      wide.ticks.length <= 6 && wide.ticks.every((tick) => Number.isInteger(Math.round(1e6 * Math.log10(tick)) / 1e6)),
    )
    const odd = logScale({ domain: [-1, Number.NaN], range: [0, 1] })
    assert.deepEqual([odd.domain, odd.at(10)], [[1, 10], 1])
  })
})
