// The pictures of one layer's weight: ranges per channel, relative ranges, two scatters, five numbers.
import { type ChannelChartOptions, channelChart, relativeChart, scatterChart } from '../charts/index.ts'
import { formatDb, formatFactor, formatInteger, formatNumber } from '../format.ts'
import { type Markup, markup } from '../markup.ts'
import { outlierLimit, spreadOf } from '../range-summary.ts'
import type { ChannelRows, RangeSummary } from '../report.ts'
import { longName, panel, twoSizes } from './parts.ts'
import { figureCell, foldedTable, table } from './table.ts'
import type { WeightRow } from './weight-row.ts'

/** All pictures of a layer, under its name. */
export function layerFull(row: WeightRow): Markup {
  return markup`<figure class="layer"><figcaption>${titleOf(row)}</figcaption>${weightPictures(row)}</figure>`
}

/** All pictures of a layer. */
export function weightPictures(row: WeightRow): Markup {
  const { now, before } = row
  const words = channelWords(row)
  const name = row.layer.name
  const shared: ChannelChartOptions = {
    ...now,
    ...(before && { before }),
    label: `Weight ranges of ${name}: ${words}.`,
    xAxis: 'output channel',
    yAxis: before ? 'weight: minimum, mean, maximum; dotted: before' : 'weight: minimum, mean, maximum',
  }
  return markup`
      <p class="under">${words}</p>
      ${twoSizes((size) =>
        channelChart(
          size === 'wide' ? { ...shared, width: 1040, height: 240 } : { ...shared, width: 350, titles: false },
        ),
      )}
      <div class="panels">
        ${relativePanel(row)}
        ${meanPanel(row)}
        ${extremePanel(row)}
      </div>
      ${fiveNumberTable(row)}
      ${widestTable(now)}`
}

/** The range picture only, without hover words: for the layers that nobody worries about. */
export function layerSmall(row: WeightRow): Markup {
  const { now, before } = row
  const words = channelWords(row)
  const chart = channelChart({
    ...now,
    ...(before && { before }),
    label: `Weight ranges of ${row.layer.name}: ${words}.`,
    xAxis: 'output channel',
    yAxis: before ? 'weight; dotted: before' : 'weight',
    height: 150,
    titles: false,
  })
  return panel(titleOf(row), chart, markup`<p class="under">${words}</p>`)
}

function titleOf({ layer, index }: WeightRow): Markup {
  return markup`
    <a href="#layer-${index + 1}">${longName(layer.name)}</a>
    ${layer.sqnrDb !== undefined && markup` <span class="num">${formatDb(layer.sqnrDb)}</span>`}`
}

function channelWords({ now, ranges, rangesBefore, layer }: WeightRow): string {
  const { min, max, bucketed } = now
  const count = ranges?.channels ?? min.length * Math.max(1, bucketed)
  const span = `${formatNumber(Math.min(...min), 3)} … ${formatNumber(Math.max(...max), 3)}`
  const spread = ranges ? spreadOf(ranges) : layer.rangeSpread
  const was = rangesBefore ? `, was ${formatFactor(spreadOf(rangesBefore))}` : ''
  const parts = [
    `${ranges === undefined && bucketed > 1 ? 'about ' : ''}${formatInteger(count)} channels`,
    span,
    ...(spread === undefined ? [] : [`widest channel ${formatFactor(spread)} the median${was}`]),
    ...(ranges && ranges.outlierCount > 0 ? [`${ranges.outlierCount} stand out`] : []),
    ...(ranges && ranges.deadCount > 0 ? [deadWords(ranges)] : []),
  ]
  return parts.join(', ')
}

function deadWords({ dead, deadCount }: RangeSummary): string {
  const named = dead.slice(0, 12).join(', ')
  return `dead: ${named}${deadCount > 12 ? ` and ${deadCount - 12} more` : ''}`
}

function relativePanel({ now, before, ranges, rangesBefore, layer }: WeightRow): Markup | undefined {
  if (ranges === undefined) return undefined
  const median = ranges.fiveNumbers[2]
  if (!(median > 0)) return undefined
  const limit = outlierLimit(ranges) / median
  const medianBefore = rangesBefore?.fiveNumbers[2] ?? 0
  const chart = relativeChart({
    values: widthsOf(now).map((width) => width / median),
    ...(before && medianBefore > 0 && { before: widthsOf(before).map((width) => width / medianBefore) }),
    limit,
    outliers: ranges.outliers,
    dead: ranges.dead,
    bucketed: now.bucketed,
    label: `Relative ranges of ${layer.name}: ${ranges.outlierCount} of ${ranges.channels} channels stand out.`,
    xAxis: 'output channel; dashed: ▲ limit',
  })
  return panel('Range against the median channel', chart)
}

function meanPanel({ now, before, ranges, layer }: WeightRow): Markup | undefined {
  if (now.deviation === undefined) return undefined
  const chart = scatterChart({
    x: now.mean,
    y: now.deviation,
    ...(before?.deviation && { before: { x: before.mean, y: before.deviation } }),
    outliers: outliersOf(now, ranges),
    label: `Mean and standard deviation of each channel of ${layer.name}.`,
    xAxis: before ? 'mean; grey: before' : 'mean',
    yAxis: 'standard deviation',
  })
  return panel('Mean against deviation', chart)
}

function extremePanel({ now, before, ranges, layer }: WeightRow): Markup {
  const chart = scatterChart({
    x: now.min,
    y: now.max,
    ...(before && { before: { x: before.min, y: before.max } }),
    outliers: outliersOf(now, ranges),
    label: `Minimum and maximum of each channel of ${layer.name}.`,
    xAxis: before ? 'minimum; grey: before' : 'minimum',
    yAxis: 'maximum',
  })
  return panel('Minimum against maximum', chart)
}

/** Rows that hold an outlier channel, with words for hovering. */
function outliersOf({ bucketed }: ChannelRows, ranges: RangeSummary | undefined): ReadonlyMap<number, string> {
  const size = Math.max(1, bucketed)
  return new Map(ranges?.outliers.map((channel) => [Math.floor(channel / size), `channel ${formatInteger(channel)}`]))
}

function widthsOf({ min, max }: ChannelRows): number[] {
  return min.map((low, row) => (max[row] ?? low) - low)
}

interface FiveNumbers {
  readonly name: string
  readonly of: RangeSummary
}

function fiveNumberTable({ ranges, rangesBefore }: WeightRow): Markup | undefined {
  if (ranges === undefined) return undefined
  const rows: FiveNumbers[] = [
    ...(rangesBefore ? [{ name: 'before', of: rangesBefore }] : []),
    { name: rangesBefore ? 'after' : 'ranges', of: ranges },
  ]
  const titles = ['Least', 'First quartile', 'Median', 'Third quartile', 'Greatest']
  return table(
    rows,
    [
      { title: 'Range of a channel', cell: ({ name }) => name },
      ...titles.map((title, index) => ({
        title,
        figure: true,
        cell: ({ of }: FiveNumbers) => figureCell(of.fiveNumbers[index], (value) => formatNumber(value, 3)),
      })),
      { title: 'Spread', figure: true, cell: ({ of }) => figureCell(spreadOf(of), formatFactor) },
    ],
    { slim: true },
  )
}

function widestTable({ min, mean, max, bucketed }: ChannelRows): Markup {
  const widest = min
    .map((low, channel) => ({ channel, low, mean: mean[channel] ?? low, high: max[channel] ?? low }))
    .sort((a, b) => b.high - b.low - (a.high - a.low))
    .slice(0, 5)
  const name = (row: number): string => (bucketed > 1 ? `${row * bucketed}–${(row + 1) * bucketed - 1}` : String(row))
  return foldedTable('Widest channels', widest, [
    { title: 'Channel', figure: true, cell: (row) => name(row.channel) },
    { title: 'Min', figure: true, cell: (row) => figureCell(row.low, formatNumber) },
    { title: 'Mean', figure: true, cell: (row) => figureCell(row.mean, formatNumber) },
    { title: 'Max', figure: true, cell: (row) => figureCell(row.high, formatNumber) },
  ])
}
