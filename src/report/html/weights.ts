// Weight ranges per channel of the layers that lose most: an outlier channel shows at once.
import { channelChart } from '../charts/index.ts'
import { sqnrRank } from '../figures.ts'
import { formatDb, formatFactor, formatInteger, formatNumber } from '../format.ts'
import { type Markup, markup } from '../markup.ts'
import type { LayerRow, Report } from '../report.ts'
import { lead, longName, panel } from './parts.ts'
import { figureCell, foldedTable } from './table.ts'

const most = 6

const explanation =
  'Smallest, mean and largest weight of each output channel in the float model. ' +
  'A channel far wider than the others costs the rest their resolution when all share one scale.'

type Channels = NonNullable<LayerRow['channels']>

/** Small multiples, the worst SQNR first (the largest spread where none was measured); undefined without channels. */
export function weightSection(report: Report): Markup | undefined {
  const shown = report.layers
    .flatMap((layer, index) => (layer.channels === undefined ? [] : [{ layer, index, channels: layer.channels }]))
    .sort(
      (a, b) =>
        sqnrRank(a.layer.sqnrDb) - sqnrRank(b.layer.sqnrDb) || (b.layer.rangeSpread ?? 0) - (a.layer.rangeSpread ?? 0),
    )
    .slice(0, most)
  if (shown.length === 0) return undefined
  return markup`
    ${lead(explanation)}
    <div class="panels">${shown.map(({ layer, index, channels }) => layerPanel(layer, index, channels))}</div>`
}

function layerPanel(layer: LayerRow, index: number, channels: Channels): Markup {
  const words = channelWords(layer, channels)
  const label = `Weight ranges of ${layer.name}: ${words}.`
  const title = markup`
    <a href="#layer-${index + 1}">${longName(layer.name)}</a>
    ${layer.sqnrDb !== undefined && markup` <span class="num">${formatDb(layer.sqnrDb)}</span>`}`
  return panel(title, channelChart({ ...channels, label, xAxis: 'output channel', yAxis: 'weight' }), [
    markup`<p class="under">${words}</p>`,
    widestTable(channels),
  ])
}

function channelWords(layer: LayerRow, { min, max, bucketed }: Channels): string {
  const count = `${bucketed > 1 ? 'about ' : ''}${formatInteger(min.length * Math.max(1, bucketed))} channels`
  const range = `${formatNumber(Math.min(...min), 3)} … ${formatNumber(Math.max(...max), 3)}`
  const spread = layer.rangeSpread === undefined ? [] : [`widest channel ${formatFactor(layer.rangeSpread)} the median`]
  return [count, range, ...spread].join(', ')
}

function widestTable({ min, mean, max, bucketed }: Channels): Markup {
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
