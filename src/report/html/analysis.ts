// Sensitivity: which layers bring the noise, in weights or activations, why, and what helps at which price.
import type { AnalysisReport, AnalyzedLayerRow } from '../analysis-rows.ts'
import { barChart, stackChart } from '../charts/index.ts'
import { noiseDb } from '../figures.ts'
import { formatBytes, formatDb, formatMs, formatPercent, formatPercentTick, formatPlural } from '../format.ts'
import { type Markup, markup } from '../markup.ts'
import type { Report } from '../report.ts'
import { lead, longName, panel, twoSizes } from './parts.ts'
import { type Cell, type Column, dbCell, figureCell, table } from './table.ts'

/** Bars that are drawn, and remedies that are told; the others are in the table. */
const DRAWN = 12
const TOLD = 8

const explanation =
  'Each layer, sum and input alone in integers, everything else in float: the noise that it brings to the outputs as a share of their ' +
  'signal. Lower is better; 1 % is 20 dB. Most to blame comes first, and what looks damaged before everything else.'

/** Charts, remedies and table; undefined where nothing was analysed. */
export function analysisSection({ analysis }: Report): Markup | undefined {
  if (!analysis || analysis.layers.length === 0) return undefined
  const { layers } = analysis
  const told = layers.slice(0, TOLD)
  return markup`
    ${lead(explanation)}
    ${noiseFigure(layers)}
    <div class="panels">${causePanel(layers)}${sumPanel(analysis)}</div>
    <h3>Cause and remedy</h3>
    <ol class="steps">${told.map(remedyItem)}</ol>
    ${outputTable(layers)}
    <h3>All ${formatPlural(layers.length, 'row')}</h3>
    ${table(layers, columnsOf(layers), { sortable: true })}`
}

/** Price of a remedy: "+1.2 kB, +0.03 ms"; nothing where it is free. */
export function priceOf({ bytes = 0, ms = 0 }: Pick<AnalyzedLayerRow, 'bytes' | 'ms'>): string {
  return [...(bytes > 0 ? [`+${formatBytes(bytes)}`] : []), ...(ms >= 0.005 ? [`+${formatMs(ms)}`] : [])].join(', ')
}

function noiseFigure(layers: readonly AnalyzedLayerRow[]): Markup {
  const rows = layers.slice(0, DRAWN).map(({ name, op, noise: { weights = 0, activations = 0, both } }) => ({
    label: `${name} (${op})`,
    text: noiseText(both),
    parts: [weights, activations],
  }))
  const more = layers.length - rows.length
  const draw = (width: number) =>
    stackChart({
      rows,
      parts: [
        { name: 'weights', colour: 'accent' },
        { name: 'activations', colour: 'warn' },
      ],
      label: `Noise of each layer alone in integers, in weights and activations. ${rows.map(({ label, text }) => `${label}: ${text}`).join('; ')}.`,
      axis: 'noise, share of the signal at the outputs',
      format: formatPercentTick,
      width,
    })
  return markup`<figure><figcaption>Noise of each layer alone in integers</figcaption>
    ${twoSizes((size) => draw(size === 'wide' ? 720 : 320))}
    ${more > 0 && markup`<p class="under">${formatPlural(more, 'quieter row')} in the table below.</p>`}</figure>`
}

/** Cause → share of all blame, the largest first; undefined where all have the same. */
function causePanel(layers: readonly AnalyzedLayerRow[]): Markup | undefined {
  const blame = new Map<string, { sum: number; count: number }>()
  for (const { cause, blame: own = 0 } of layers) {
    const entry = blame.get(cause) ?? { sum: 0, count: 0 }
    blame.set(cause, { sum: entry.sum + Math.max(0, own), count: entry.count + 1 })
  }
  const all = [...blame.values()].reduce((total, { sum }) => total + sum, 0)
  if (!(all > 0) || blame.size < 2) return undefined
  const rows = [...blame]
    .sort(([, a], [, b]) => b.sum - a.sum)
    .map(([cause, { sum, count }]) => ({
      label: `${cause} (${count})`,
      value: sum / all,
      text: formatPercent(sum / all),
    }))
  const label = `Share of the noise by cause. ${rows.map((row) => `${row.label}: ${row.text}`).join('; ')}.`
  return panel('Noise by cause', barChart({ rows, label, axis: 'share of the noise', format: formatPercentTick }))
}

/** Noise adds up where that of different layers is independent: what is missing or too much cancels, or grows on the way. */
function sumPanel({ noise, predicted }: AnalysisReport): Markup | undefined {
  if (noise === undefined || predicted === undefined) return undefined
  const rows = [
    { label: 'everything in integers at once', value: noise, text: noiseText(noise) },
    { label: 'sum of the rows alone', value: predicted, text: noiseText(predicted) },
  ]
  const label = `Noise at the outputs. ${rows.map((row) => `${row.label}: ${row.text}`).join('; ')}.`
  return panel(
    'All of them together',
    barChart({ rows, label, axis: 'noise, share of the signal', format: formatPercentTick }),
  )
}

function remedyItem(row: AnalyzedLayerRow): Markup {
  const price = priceOf(row)
  const saves =
    row.spared === undefined || row.spared <= 0 ? [] : [`in float it spares ${formatPercent(row.spared)} of noise`]
  const meta = [noiseText(row.noise.both), ...saves].join(' · ')
  return markup`
    <li>
      <p class="step"><b>${longName(row.name)}</b> <span class="tag">${row.cause}</span>${row.damaged === true && markup` <span class="tag no">looks damaged</span>`} <span class="meta">${meta}</span></p>
      <ul><li>${row.detail}</li><li>Try <code>${row.remedy}</code>${price !== '' && ` (${price})`}</li></ul>
    </li>`
}

/** The loudest alone, output by output; undefined where there is one output of one unit. */
function outputTable(layers: readonly AnalyzedLayerRow[]): Markup | undefined {
  const rows = layers.filter(({ outputs }) => outputs !== undefined)
  const names = [...new Set(rows.flatMap(({ outputs = {} }) => Object.keys(outputs)))]
  if (names.length < 2) return undefined
  return markup`<h3>Outputs and groups of their columns, with one layer in integers</h3>${table(rows, [
    { title: 'Layer', cell: ({ name }) => longName(name) },
    ...names.map(
      (name): Column<AnalyzedLayerRow> => ({
        title: name,
        figure: true,
        cell: ({ outputs }) => dbCell(outputs?.[name]),
      }),
    ),
  ])}`
}

function columnsOf(layers: readonly AnalyzedLayerRow[]): Column<AnalyzedLayerRow>[] {
  const all = layers.reduce((sum, { blame = 0 }) => sum + Math.max(0, blame), 0)
  return [
    { title: 'Layer', cell: ({ name }) => longName(name) },
    { title: 'Op', cell: ({ op }) => op },
    { title: 'Weights', figure: true, cell: ({ noise }) => noiseCell(noise.weights) },
    { title: 'Activations', figure: true, cell: ({ noise }) => noiseCell(noise.activations) },
    { title: 'Both', figure: true, cell: ({ noise }) => noiseCell(noise.both) },
    {
      title: 'To blame for',
      figure: true,
      cell: ({ blame }) => figureCell(blame === undefined ? undefined : Math.max(0, blame) / all, formatPercent),
    },
    { title: 'Float spares', figure: true, cell: ({ spared }) => figureCell(spared, formatPercent) },
    { title: 'Cause', tight: true, cell: ({ cause }) => cause },
    { title: 'Remedy', cell: ({ remedy }) => markup`<code>${remedy}</code>` },
    { title: 'It adds', figure: true, cell: ({ bytes }) => figureCell(bytes || undefined, formatBytes) },
    { title: 'And takes', figure: true, cell: ({ ms }) => figureCell(ms || undefined, formatMs) },
  ]
}

function noiseCell(noise: number | undefined): Cell {
  return dbCell(noise === undefined ? undefined : noiseDb(noise))
}

/** "0.46 %, 23.4 dB" */
function noiseText(noise: number | undefined): string {
  if (noise === undefined) return formatDb(Number.NaN)
  return noise > 0 ? `${formatPercent(noise)}, ${formatDb(noiseDb(noise))}` : 'none'
}
