// Weight ranges per channel of every layer, before and after equalisation: the layers that lose most in full, the others
// in small.
import { sqnrRank } from '../figures.ts'
import { formatFactor, formatInteger, formatPlural } from '../format.ts'
import { type Markup, markup } from '../markup.ts'
import { spreadOf } from '../range-summary.ts'
import type { Report } from '../report.ts'
import { lead, longName } from './parts.ts'
import { figureCell, table } from './table.ts'
import { layerFull, layerSmall } from './weight-panels.ts'
import { type WeightRow, weightRow } from './weight-row.ts'

const mostFull = 6
const mostSmall = 150

const explanation =
  'Smallest, mean and largest weight of each output channel. A channel far wider than the others costs the rest their ' +
  'resolution when all share one scale. ▲ marks channels whose range is above Q3 + 1.5 · (Q3 − Q1) of their layer.'

/** Table of what stands out, pictures of the layers; undefined without channels. */
export function weightSection(report: Report): Markup | undefined {
  const rows = report.layers.flatMap(weightRow).sort(byNeed)
  if (rows.length === 0) return undefined
  const rest = rows.slice(mostFull, mostFull + mostSmall).sort((a, b) => a.index - b.index)
  return markup`
    ${lead(rows.some((row) => (row.ranges?.deadCount ?? 0) > 0) ? `${explanation} × marks dead ones.` : explanation)}
    ${spreadTable(rows)}
    ${rows.slice(0, mostFull).map(layerFull)}
    ${
      rest.length > 0 &&
      markup`<details><summary>${formatPlural(rest.length, 'more layer')}</summary><div class="panels">${rest.map(layerSmall)}</div></details>`
    }`
}

/** Worst SQNR first; the widest spread where none was measured. */
function byNeed(a: WeightRow, b: WeightRow): number {
  return sqnrRank(a.layer.sqnrDb) - sqnrRank(b.layer.sqnrDb) || (b.layer.rangeSpread ?? 0) - (a.layer.rangeSpread ?? 0)
}

/** Layers with something to see: an outlier, a dead channel, or a change. */
function spreadTable(rows: readonly WeightRow[]): Markup | undefined {
  const telling = rows
    .filter(({ before, ranges }) => before !== undefined || (ranges?.outlierCount ?? 0) + (ranges?.deadCount ?? 0) > 0)
    .sort((a, b) => a.index - b.index)
  if (telling.length === 0) return undefined
  return table(
    telling,
    [
      { title: '#', figure: true, cell: ({ index }) => ({ show: String(index + 1), value: index + 1 }) },
      { title: 'Layer', cell: ({ layer, index }) => markup`<a href="#layer-${index + 1}">${longName(layer.name)}</a>` },
      { title: 'Channels', figure: true, cell: ({ ranges }) => figureCell(ranges?.channels, formatInteger) },
      {
        title: 'Spread before',
        figure: true,
        cell: (row) => figureCell(row.rangesBefore && spreadOf(row.rangesBefore), formatFactor),
      },
      { title: 'Spread', figure: true, cell: ({ ranges }) => figureCell(ranges && spreadOf(ranges), formatFactor) },
      {
        title: '▲ Outliers before',
        figure: true,
        cell: (row) => figureCell(row.rangesBefore?.outlierCount, formatInteger),
      },
      { title: '▲ Outliers', figure: true, cell: ({ ranges }) => figureCell(ranges?.outlierCount, formatInteger) },
      {
        title: '× Dead',
        figure: true,
        cell: ({ ranges }) => figureCell(ranges?.deadCount || undefined, formatInteger),
      },
    ],
    { sortable: true },
  )
}
