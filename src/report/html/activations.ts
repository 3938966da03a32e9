// Activations: the range each grid covers against what was observed, histograms where they were taken, one table.
import { histogram, type RangeRow, rangeChart } from '../charts/index.ts'
import { rangeFit } from '../figures.ts'
import { formatNumber, formatPercent, formatPlural, notMeasured } from '../format.ts'
import { type Markup, markup, raw } from '../markup.ts'
import type { ActivationRow, Report } from '../report.ts'
import { lead, longName, panel, twoSizes } from './parts.ts'
import { figureCell, foldedTable } from './table.ts'

const mostRows = 12
const mostHistograms = 6

const rangeExplanation =
  'The wide bar is the range of the grid, the thin line what the samples held: ' +
  'a line that sticks out was clipped, a short one leaves codes unused.'

/** Chart of the ranges that fit worst, histograms, and the full table; undefined without activations. */
export function activationSection(report: Report): Markup | undefined {
  const { activations } = report
  if (activations.length === 0) return undefined
  const grids = activations.filter((row) => row.scale !== undefined).length
  return markup`
    ${lead(`${formatPlural(grids, 'tensor')} got a grid, ${activations.length - grids} stayed float.`)}
    ${rangeFigure(activations)}
    ${histogramPanels(activations)}
    ${activationTable(activations)}`
}

function rangeFigure(activations: readonly ActivationRow[]): Markup | undefined {
  const fits = activations.flatMap((row) => {
    const fit = rangeFit(row)
    return fit === undefined ? [] : [{ row, misfit: Math.abs(fit.below) + Math.abs(fit.above) }]
  })
  if (fits.length === 0) return undefined
  const rows = fits
    .sort((a, b) => b.misfit - a.misfit)
    .slice(0, mostRows)
    .map(({ row }) => rangeRow(row))
  const half = Math.ceil(rows.length / 2)
  const charts = [rows.slice(0, half), rows.slice(half)].filter((part) => part.length > 0)
  const some = rows.length < fits.length ? `The ${rows.length} of ${fits.length} that fit least. ` : ''
  return markup`
    <figure>
      <figcaption>Chosen range against observed values</figcaption>
      ${lead(some + rangeExplanation)}
      ${twoSizes((size) => {
        const width = size === 'wide' ? {} : { width: 350 }
        const drawn = charts.map((part) => raw(rangeChart({ rows: part, label: rangeWords(part), ...width })))
        return markup`<div class="pair">${drawn}</div>`.text
      })}
    </figure>`
}

function rangeRow({ tensor, low = 0, high = 0, observedLow = 0, observedHigh = 0 }: ActivationRow): RangeRow {
  const text = `grid ${span(low, high)}, seen ${span(observedLow, observedHigh)}`
  return { label: tensor, low, high, observedLow, observedHigh, text }
}

function rangeWords(rows: readonly RangeRow[]): string {
  return `Chosen ranges and observed values. ${rows.map((row) => `${row.label}: ${row.text}`).join('; ')}.`
}

function histogramPanels(activations: readonly ActivationRow[]): Markup | undefined {
  const panels = activations.filter((row) => row.histogram !== undefined).slice(0, mostHistograms)
  if (panels.length === 0) return undefined
  return markup`<h3>Histograms of the observed values</h3><div class="panels">${panels.map(histogramPanel)}</div>`
}

function histogramPanel(row: ActivationRow): Markup | undefined {
  if (row.histogram === undefined) return undefined
  const { from, to } = row.histogram
  const limits = row.low === undefined || row.high === undefined ? {} : { limits: [row.low, row.high] as const }
  const cut = clippedShare(row)
  const clipped = cut === undefined ? '' : `, ${formatPercent(cut)} of the values clipped`
  const words = `grid ${span(row.low, row.high)}${clipped}`
  const label = `Histogram of ${row.tensor} from ${span(from, to)}: ${words}.`
  const chart = histogram({ ...row.histogram, ...limits, label, xAxis: 'value; dashed: limits of the grid' })
  return panel(longName(row.tensor), chart, markup`<p class="under">${words}</p>`)
}

/** Share of the histogram outside of the grid; a bin cut by a limit counts with its outer part. */
function clippedShare(row: ActivationRow): number | undefined {
  const { histogram: bins, low, high } = row
  if (bins === undefined || low === undefined || high === undefined) return undefined
  const step = (bins.to - bins.from) / bins.counts.length
  const total = bins.counts.reduce((sum, count) => sum + count, 0)
  if (!(step > 0) || total === 0) return undefined
  const outside = bins.counts.reduce((sum, count, index) => {
    const from = bins.from + index * step
    const inner = Math.min(high, from + step) - Math.max(low, from)
    return sum + count * (1 - Math.min(1, Math.max(0, inner / step)))
  }, 0)
  return outside / total
}

function activationTable(activations: readonly ActivationRow[]): Markup {
  return foldedTable(
    `All ${formatPlural(activations.length, 'activation')}`,
    activations,
    [
      { title: 'Tensor', cell: (row) => longName(row.tensor) },
      { title: 'Type', cell: (row) => row.dtype ?? notMeasured },
      { title: 'Range', figure: true, cell: (row) => span(row.low, row.high) },
      { title: 'Observed', figure: true, cell: (row) => span(row.observedLow, row.observedHigh) },
      { title: 'Scale', figure: true, cell: (row) => figureCell(row.scale, formatNumber) },
      { title: 'Zero point', figure: true, cell: (row) => figureCell(row.zeroPoint, formatNumber) },
      { title: 'Method', cell: (row) => row.method ?? notMeasured },
      { title: 'Why', cell: (row) => row.reason },
    ],
    { sortable: true },
  )
}

function span(low: number | undefined, high: number | undefined): string {
  return low === undefined || high === undefined ? notMeasured : `${formatNumber(low, 3)} … ${formatNumber(high, 3)}`
}
