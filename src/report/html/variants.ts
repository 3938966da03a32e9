// Every model that was measured, side by side: bars for size and latency, intervals for accuracy, one table.
import { type BarRow, barChart, intervalChart, pairChart } from '../charts/index.ts'
import {
  byteAxis,
  formatBytes,
  formatCosine,
  formatDifference,
  formatInteger,
  formatMetric,
  formatMs,
  formatNumber,
  formatPercent,
  formatPercentTick,
  notMeasured,
} from '../format.ts'
import { type Markup, markup } from '../markup.ts'
import type { Report, VariantRow } from '../report.ts'
import { lead, longName, panel } from './parts.ts'
import { type Cell, type Column, dbCell, figureCell, table } from './table.ts'

/** Panels and table of the variants; undefined when there are none. */
export function variantSection(report: Report): Markup | undefined {
  const { variants, outputs } = report
  if (variants.length === 0) return undefined
  const panels = [sizePanel(variants), partPanel(report.parts), latencyPanel(variants), accuracyPanel(variants)].filter(
    (panel) => panel !== undefined,
  )
  const samples = variants.find((row) => row.metric !== undefined)?.metric?.samples
  const order =
    variants.length > 2
      ? 'The original, then every attempt in the order it was made; the kept one is in bold.'
      : 'The original against the result.'
  const intervals = samples === undefined ? '' : ` Intervals are 95 %, from ${formatInteger(samples)} samples.`
  return markup`
    ${lead(order + intervals)}
    ${panels.length > 0 && markup`<div class="panels">${panels}</div>`}
    ${table(variants, variantColumns(variants), { rowClass: (row) => (row.kept === true ? 'kept' : undefined) })}
    ${Object.keys(outputs).length > 0 && outputTable(outputs)}`
}

function sizePanel(variants: readonly VariantRow[]): Markup | undefined {
  const rows = variants.flatMap((row): BarRow[] =>
    row.sizeBytes === undefined ? [] : [{ ...nameOf(row), value: row.sizeBytes, text: formatBytes(row.sizeBytes) }],
  )
  if (rows.length === 0) return undefined
  const { unit, format } = byteAxis(Math.max(...rows.map((row) => row.value)))
  return panel('Size', barChart({ rows, label: sentence('File size', rows), axis: `file size (${unit})`, format }))
}

/** Where the bytes are, before and after; undefined where there is one part alone. */
function partPanel(parts: Report['parts'] = []): Markup | undefined {
  const rows = parts
    .filter(({ bytes }) => bytes.before + bytes.after > 0)
    .map(({ part, bytes: { before, after } }) => ({
      ...{ label: part, before, after },
      text: `${formatBytes(before)} → ${formatBytes(after)}`,
    }))
  if (rows.length < 2) return undefined
  const { unit, format } = byteAxis(Math.max(...rows.flatMap(({ before, after }) => [before, after])))
  const words = rows.map(({ label, text }) => `${label}: ${text}`).join('; ')
  const label = `Stored numbers by part, before and after. ${words}.`
  return panel('Size by part, before and after', pairChart({ rows, label, axis: `stored numbers (${unit})`, format }))
}

function latencyPanel(variants: readonly VariantRow[]): Markup | undefined {
  const rows = variants.flatMap(({ latencyMs, latencySpreadMs, ...row }): BarRow[] => {
    if (latencyMs === undefined) return []
    const spread = latencySpreadMs ?? 0
    const ends = spread > 0 ? { low: latencyMs - spread, high: latencyMs + spread } : {}
    return [{ ...nameOf(row), value: latencyMs, text: formatMs(latencyMs, latencySpreadMs), ...ends }]
  })
  if (rows.length === 0) return undefined
  const label = sentence('Median latency, with half of the interquartile range', rows)
  return panel('Latency', barChart({ rows, label, axis: 'median latency (ms)' }))
}

function accuracyPanel(variants: readonly VariantRow[]): Markup | undefined {
  const metric = variants.find((row) => row.metric !== undefined)?.metric
  if (metric !== undefined) {
    const rows = variants.flatMap((row): BarRow[] =>
      row.metric === undefined
        ? []
        : [{ ...nameOf(row), value: row.metric.value, text: formatMetric(row.metric), ...row.metric.interval }],
    )
    const label = sentence(`${metric.name} with 95 % intervals`, rows)
    const format = metric.unit === undefined ? formatPercentTick : formatNumber
    return panel(
      `Accuracy: ${metric.name}`,
      intervalChart({
        rows,
        label,
        axis: metric.unit ? `${metric.name} (${metric.unit})` : metric.name,
        format,
        ...(metric.unit === undefined && { limits: [0, 1] }),
      }),
    )
  }
  const alike = variants.findLast((row) => row.similarity !== undefined)?.similarity
  if (alike !== undefined) return similarityPanel(alike)
  const rows = variants.flatMap((row): BarRow[] =>
    row.agreement === undefined ? [] : [{ ...nameOf(row), value: row.agreement, text: formatPercent(row.agreement) }],
  )
  if (rows.length === 0) return undefined
  const label = sentence('Share of samples with the same answer as the original', rows)
  return panel('Agreement with the original', barChart({ rows, label, axis: 'same answer', format: formatPercentTick }))
}

/** How near the embeddings are: texts, tokens, and which text is nearest. */
function similarityPanel({ pooled, byToken, retrieval }: NonNullable<VariantRow['similarity']>): Markup {
  const figures = [
    ['cosine of texts', pooled, formatCosine(pooled.value)],
    ['cosine of tokens', byToken, byToken && formatCosine(byToken.value)],
    ['same nearest text', retrieval, retrieval && formatPercent(retrieval.value)],
  ] as const
  const rows = figures.flatMap(([label, row, text]) =>
    row && text ? [{ label, text, value: row.value, ...row.interval }] : [],
  )
  const label = sentence('Embeddings against the original, with 95 % intervals', rows)
  return panel(
    'Embeddings',
    intervalChart({ rows, label, axis: 'cosine, share of texts', format: formatNumber, limits: [-1, 1] }),
  )
}

function variantColumns(variants: readonly VariantRow[]): Column<VariantRow>[] {
  const metric = variants.find((row) => row.metric !== undefined)?.metric?.name ?? 'Metric'
  return [
    {
      title: 'Model',
      cell: (row) => markup`${row.name}${row.kept === true && markup` <b class="tag">✓ kept</b>`}`,
    },
    { title: 'Size', figure: true, cell: (row) => figureCell(row.sizeBytes, formatBytes) },
    {
      title: 'Latency',
      figure: true,
      cell: (row) => figureCell(row.latencyMs, (ms) => formatMs(ms, row.latencySpreadMs)),
    },
    { title: metric, figure: true, cell: (row) => (row.metric === undefined ? notMeasured : formatMetric(row.metric)) },
    {
      title: 'Difference',
      figure: true,
      cell: (row) => (row.metric === undefined ? notMeasured : formatDifference(row.metric)),
    },
    { title: 'Agreement', figure: true, cell: (row) => figureCell(row.agreement, formatPercent) },
    {
      title: 'Cosine',
      figure: true,
      cell: (row) => figureCell(row.similarity?.pooled.value, formatCosine),
    },
    { title: 'KL', figure: true, cell: (row) => figureCell(row.kl, formatNumber) },
    { title: 'SQNR', figure: true, cell: (row) => dbCell(row.sqnrDb) },
    { title: 'In integers', figure: true, cell: (row) => integerCell(row) },
  ]
}

function integerCell(row: VariantRow): Cell {
  if (row.integerLayers === undefined) return { show: notMeasured }
  const total = row.totalLayers === undefined ? '' : ` of ${row.totalLayers}`
  return { show: `${row.integerLayers}${total}`, value: row.integerLayers }
}

function outputTable(outputs: Report['outputs']): Markup {
  return markup`<h3>Outputs of the result against the original</h3>${table(
    Object.entries(outputs),
    [
      { title: 'Output', cell: ([name]) => longName(name) },
      { title: 'SQNR', figure: true, cell: ([, db]) => dbCell(db) },
    ],
    { slim: true },
  )}`
}

function nameOf(row: Pick<VariantRow, 'name' | 'kept'>): { label: string; strong: boolean } {
  return { label: row.kept === true ? `✓ ${row.name}` : row.name, strong: row.kept === true }
}

function sentence(what: string, rows: readonly BarRow[]): string {
  return `${what}. ${rows.map((row) => `${row.label}: ${row.text}`).join('; ')}.`
}
