// Every chart on small data against its committed picture; open src/report/fixtures/*.svg to look at them.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertWellFormed } from '../../../test/support/assert-well-formed.ts'
import { assertGolden } from '../../../test/support/golden-file.ts'
import {
  barChart,
  channelChart,
  histogram,
  intervalChart,
  type LinePoint,
  lineChart,
  pairChart,
  rangeChart,
  rangeStrip,
  relativeChart,
  scatterChart,
  standaloneSvg,
  strip,
} from './index.ts'

const rows = [
  { label: 'float', text: '1.40 ± 0.03 ms', value: 1.4, low: 1.37, high: 1.43 },
  { label: '✓ int8 per-channel', text: '0.91 ± 0.01 ms', value: 0.91, low: 0.9, high: 0.92, strong: true },
  { label: 'a name far too long for its row/block/conv', text: '2 ms', value: 2 },
]

const shares = [
  { label: 'float', text: '58.4 % ± 4.3', value: 0.584, low: 0.541, high: 0.627 },
  { label: '✓ int8', text: '57.2 % ± 4.3', value: 0.572, low: 0.529, high: 0.615, strong: true },
]

const depth: LinePoint[] = [
  { value: 31.2, title: '1 conv1' },
  { value: 8.4, title: '2 conv2', badge: '2' },
  { value: null, title: '3 exact' },
  { value: undefined, title: '4 not measured' },
  { value: 14, title: '5 float', hollow: true },
  { value: Number.NEGATIVE_INFINITY, title: '6 noise', badge: '1' },
]

const ranges = [
  { label: 'input', text: 'grid −1 … 1, seen −1 … 1', low: -1, high: 1, observedLow: -1, observedHigh: 1 },
  { label: 'clipped', text: 'grid 0 … 6, seen 0 … 40', low: 0, high: 6, observedLow: 0, observedHigh: 40 },
  { label: 'loose', text: 'grid −8 … 8, seen −1 … 2', low: -8, high: 8, observedLow: -1, observedHigh: 2 },
]

const channels = { min: [-0.5, -0.25, -4, -0.125], mean: [0.01, -0.02, 0.5, 0], max: [0.5, 0.3, 6, 0.125] }

const lanes = [
  { name: 'integer', colour: 'accent' },
  { name: 'float', colour: 'warn' },
] as const

const cells = [0, 0, 1, 0, 1].map((lane, index) => ({ lane, title: `layer ${index + 1}` }))

const label = 'a label'
const lineAxes = { xAxis: 'layer, in graph order', yAxis: 'SQNR (dB)' }
const noise = { label: 'noise', format: (db: number) => `10^${-db / 10}` }

const pictures: Readonly<Record<string, string>> = {
  'bar-chart': barChart({ rows, label, axis: 'median latency (ms)' }),
  'interval-chart': intervalChart({ rows: shares, label, axis: 'top1', limits: [0, 1] }),
  'line-chart': lineChart({ points: depth, label, ...lineAxes, ceiling: 'exact', reading: noise, width: 600 }),
  'range-chart': rangeChart({ rows: ranges, label }),
  'pair-chart': pairChart({
    rows: [
      { label: 'embedding', text: '47.7 MB → 12.0 MB', before: 47.7, after: 12 },
      { label: 'attention', text: '14.2 MB → 3.6 MB', before: 14.2, after: 3.6 },
    ],
    label,
    axis: 'stored numbers (MB)',
  }),
  'range-strip': rangeStrip({
    min: [-1, -0.5, -2, -1, -0.2, -1],
    max: [1, 0.8, 24, 1, 0.1, 2],
    ...{ bucketed: 2, channels: 12, apart: [4, 11], label, xAxis: 'channel', yAxis: 'value', width: 600 },
  }),
  'channel-chart': channelChart({ ...channels, label, xAxis: 'output channel', yAxis: 'weight' }),
  'channel-chart-before': channelChart({
    ...channels,
    before: { min: channels.min.map((x) => 3 * x), mean: channels.mean, max: channels.max.map((x) => x / 2) },
    label,
    xAxis: 'output channel',
    yAxis: 'weight; dotted: before',
  }),
  'line-chart-second': lineChart({
    points: depth,
    second: { name: 'naive', values: [12, 3, 20, undefined, null, 9] },
    label,
    ...lineAxes,
    ceiling: 'exact',
    width: 600,
  }),
  'relative-chart': relativeChart({
    values: [1, 0.8, 12, 1.2, 0, 0.9],
    before: [1, 0.1, 40, 3, 0, 0.01],
    limit: 2,
    outliers: [2],
    dead: [4],
    label,
    xAxis: 'output channel',
  }),
  'scatter-chart': scatterChart({
    x: [-1, 0, 0.5, 3],
    y: [0.1, 0.2, 0.1, 2],
    before: { x: [-2, 0, 1, 4], y: [1, 1, 1, 3] },
    outliers: new Map([[3, 'channel 3']]),
    label,
    xAxis: 'mean',
    yAxis: 'standard deviation',
  }),
  histogram: histogram({
    from: -2,
    to: 6,
    counts: [1, 40, 900, 300, 9, 0, 2, 1],
    limits: [-1, 4],
    label,
    xAxis: 'value',
  }),
  strip: strip({ lanes, cells, label, xAxis: 'layer' }),
}

/** What breaks charts: nothing at all, one value, all the same, huge and tiny, thousands. */
const awkward: Readonly<Record<string, readonly number[]>> = {
  nothing: [],
  'one zero': [0],
  'equal values': [5, 5, 5],
  'negative values': [-3, -1, -2],
  'far apart values': [1e-12, 1, 1e12],
  'two thousand values': Array.from({ length: 2000 }, (_, index) => Math.sin(index)),
}

function drawAll(values: readonly number[]): string[] {
  const named = values.slice(0, 50).map((value) => ({ label: 'r', text: 't', value, low: value - 1, high: value + 1 }))
  const spans = named.map((row) => ({ ...row, observedLow: row.value, observedHigh: row.value }))
  const min = values.map((value) => value - 1)
  return [
    barChart({ rows: named, label, axis: 'x' }),
    intervalChart({ rows: named, label, axis: 'x' }),
    lineChart({ points: values.map((value) => ({ value, title: 't', badge: '1' })), label, ...lineAxes }),
    rangeChart({ rows: spans, label }),
    rangeChart({ rows: spans.map((row) => ({ ...row, high: row.low })), label }),
    channelChart({ min, mean: values, max: values, label, xAxis: 'x', yAxis: 'y' }),
    channelChart({
      min,
      mean: values,
      max: values,
      before: { min, mean: min, max: min },
      label,
      xAxis: 'x',
      yAxis: 'y',
    }),
    pairChart({ rows: named.map((row) => ({ ...row, before: 1, after: Math.abs(row.value) })), label, axis: 'x' }),
    rangeStrip({ min, max: values, bucketed: 1, channels: values.length, apart: [0], label, xAxis: 'x', yAxis: 'y' }),
    relativeChart({ values, before: min, limit: 2, outliers: [0], dead: [1], label, xAxis: 'x' }),
    relativeChart({ values, limit: 0, outliers: [], dead: [], bucketed: 4, label, xAxis: 'x' }),
    scatterChart({ x: values, y: min, outliers: new Map([[0, 't']]), label, xAxis: 'x', yAxis: 'y' }),
    lineChart({ points: [], second: { name: 'n', values }, atLeast: 0, label, ...lineAxes }),
    histogram({ from: 0, to: 1, counts: values.map(Math.abs), label, xAxis: 'x' }),
    histogram({ from: 2, to: 2, counts: values.map(Math.abs), limits: [2, 2], label, xAxis: 'x' }),
    strip({ lanes, cells: values.map(() => ({ lane: 0, title: 't' })), label, xAxis: 'x' }),
  ]
}

describe('charts', () => {
  for (const [name, svg] of Object.entries(pictures)) {
    it(`${name} looks as it was looked at`, () => {
      assertWellFormed(svg)
      assertGolden(`${name}.svg`, `${standaloneSvg(svg).replaceAll('><', '>\n<')}\n`)
    })
  }

  for (const [name, values] of Object.entries(awkward)) {
    it(`draw ${name} at finite places`, () => {
      for (const svg of drawAll(values)) {
        assertWellFormed(svg)
        assert.equal(/NaN|Infinity|undefined/.exec(svg)?.[0], undefined)
      }
    })
  }

  it('escape names', () => {
    const name = '"><script>'
    const row = { label: name, text: name, value: 1 }
    const svg = barChart({ rows: [row], label: name, axis: name })
    assertWellFormed(svg)
    assert.ok(!svg.includes('<script'))
  })

  it('say in words what they show', () => {
    for (const svg of Object.values(pictures)) assert.match(svg, /^<svg [^>]*role="img" aria-label="a label">/)
  })

  it('put many channels into at most 64 bars that keep every extreme', () => {
    const wide = Array.from({ length: 1000 }, (_, index) => (index === 777 ? 50 : 1))
    const svg = channelChart({ min: wide.map((x) => -x), mean: wide, max: wide, label, xAxis: 'x', yAxis: 'y' })
    assert.ok((svg.match(/<title>/g) ?? []).length <= 64)
    assert.match(svg, /channels 768 to 783: −50 … 50/)
  })

  it('mark the very channels that stand out, also among a thousand in buckets of two', () => {
    const values = Array.from({ length: 512 }, (_, row) => (row === 388 ? 9 : 1))
    const svg = relativeChart({ values, limit: 2, outliers: [777], dead: [], bucketed: 2, label, xAxis: 'x' })
    assert.match(svg, /<title>channel 777: 9.0× the median<\/title>/)
    const at = Number(/class="alarm" d="M([\d.]+)/.exec(svg)?.[1])
    assert.ok(Math.abs(at - (50 + (777.5 * 288) / 1024)) < 0.2, `${at}`)
  })

  it('keep SQNR without a number on the floor, away from exact', () => {
    const svg = lineChart({ points: depth, label, ...lineAxes, ceiling: 'exact' })
    const heights = [...svg.matchAll(/cy="([\d.]+)" r="4.5"><title>(\d)/g)].map((match) => [match[2], Number(match[1])])
    assert.deepEqual(
      heights.filter(([place]) => place === '3' || place === '6'),
      [
        ['3', 36],
        ['6', 258],
      ],
    )
  })
})
