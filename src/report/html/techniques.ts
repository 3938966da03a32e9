// The techniques: every attempt from the naive quantisation up, what it gained, and why it was kept or not.
import { type BarRow, barChart } from '../charts/index.ts'
import {
  formatDb,
  formatMetric,
  formatNumber,
  formatPercent,
  formatPercentTick,
  formatSeconds,
  notMeasured,
} from '../format.ts'
import { type Markup, markup } from '../markup.ts'
import type { Report, TechniqueRow } from '../report.ts'
import { lead, panel } from './parts.ts'
import { type Column, dbCell, figureCell, table } from './table.ts'

const explanation =
  'Each row adds one technique to those kept before it and is measured on samples that calibration did not see. ' +
  'What did not help was reverted; the last row that was kept is the file that was written.'

/** Charts and table of the techniques; undefined when nothing was tried one by one. */
export function techniquesSection({ ladder: techniques = [] }: Report): Markup | undefined {
  if (techniques.length === 0) return undefined
  const panels = [sqnrPanel(techniques), agreementPanel(techniques)].filter((part) => part !== undefined)
  return markup`
    ${lead(explanation)}
    ${panels.length > 0 && markup`<div class="panels">${panels}</div>`}
    ${table(techniques, columnsOf(techniques), { rowClass: (row) => (row.kept ? 'technique' : 'technique dropped') })}`
}

function sqnrPanel(techniques: readonly TechniqueRow[]): Markup | undefined {
  const rows = techniques.flatMap((row): BarRow[] =>
    typeof row.sqnrDb === 'number' && Number.isFinite(row.sqnrDb)
      ? [{ ...nameOf(row), value: Math.max(0, row.sqnrDb), text: formatDb(row.sqnrDb) }]
      : [],
  )
  if (rows.length === 0) return undefined
  return panel(
    'SQNR of the output',
    barChart({ rows, label: sentence('SQNR', rows), axis: 'SQNR (dB), higher is better' }),
  )
}

function agreementPanel(techniques: readonly TechniqueRow[]): Markup | undefined {
  const rows = techniques.flatMap((row): BarRow[] =>
    row.agreement === undefined ? [] : [{ ...nameOf(row), value: row.agreement, text: formatPercent(row.agreement) }],
  )
  if (rows.length === 0) return undefined
  const label = sentence('Share of samples with the same answer as the original', rows)
  return panel('Agreement with the original', barChart({ rows, label, axis: 'same answer', format: formatPercentTick }))
}

function columnsOf(techniques: readonly TechniqueRow[]): Column<TechniqueRow>[] {
  const metric = techniques.find((row) => row.metric !== undefined)?.metric?.name ?? 'Metric'
  return [
    {
      title: 'Technique',
      cell: ({ name, kept }) =>
        kept
          ? markup`<b>${name}</b> <span class="tag yes">✓ kept</span>`
          : markup`${name} <span class="tag no">✕ not kept</span>`,
    },
    { title: 'SQNR', figure: true, cell: (row) => dbCell(row.sqnrDb) },
    { title: 'Agreement', figure: true, cell: (row) => figureCell(row.agreement, formatPercent) },
    { title: 'KL', figure: true, cell: (row) => figureCell(row.kl, formatNumber) },
    {
      title: metric,
      figure: true,
      cell: (row) => (row.metric === undefined ? notMeasured : formatMetric(row.metric)),
    },
    { title: 'Time', figure: true, cell: (row) => figureCell(row.seconds, formatSeconds) },
    { title: 'Why', cell: (row) => row.reason ?? notMeasured },
  ]
}

function nameOf({ name, kept }: TechniqueRow): { label: string; strong: boolean } {
  return { label: kept ? `✓ ${name}` : `✕ ${name}`, strong: kept }
}

function sentence(what: string, rows: readonly BarRow[]): string {
  return `${what} of each row. ${rows.map((row) => `${row.label}: ${row.text}`).join('; ')}.`
}
