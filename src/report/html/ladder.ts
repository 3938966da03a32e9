// The ladder: every attempt from the naive quantisation up, what it gained, and why it was kept or not.
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
import type { Report, RungRow } from '../report.ts'
import { lead, panel } from './parts.ts'
import { type Column, dbCell, figureCell, table } from './table.ts'

const explanation =
  'Each rung adds one technique to the rungs kept before it and is measured on samples that calibration did not see. ' +
  'What did not help was taken back; the last kept rung is the file that was written.'

/** Charts and table of the rungs; undefined when nothing was tried one by one. */
export function ladderSection({ ladder = [] }: Report): Markup | undefined {
  if (ladder.length === 0) return undefined
  const panels = [sqnrPanel(ladder), agreementPanel(ladder)].filter((part) => part !== undefined)
  return markup`
    ${lead(explanation)}
    ${panels.length > 0 && markup`<div class="panels">${panels}</div>`}
    ${table(ladder, columnsOf(ladder), { rowClass: (row) => (row.kept ? 'rung' : 'rung dropped') })}`
}

function sqnrPanel(ladder: readonly RungRow[]): Markup | undefined {
  const rows = ladder.flatMap((rung): BarRow[] =>
    typeof rung.sqnrDb === 'number' && Number.isFinite(rung.sqnrDb)
      ? [{ ...nameOf(rung), value: Math.max(0, rung.sqnrDb), text: formatDb(rung.sqnrDb) }]
      : [],
  )
  if (rows.length === 0) return undefined
  return panel(
    'SQNR of the output',
    barChart({ rows, label: sentence('SQNR', rows), axis: 'SQNR (dB), higher is better' }),
  )
}

function agreementPanel(ladder: readonly RungRow[]): Markup | undefined {
  const rows = ladder.flatMap((rung): BarRow[] =>
    rung.agreement === undefined
      ? []
      : [{ ...nameOf(rung), value: rung.agreement, text: formatPercent(rung.agreement) }],
  )
  if (rows.length === 0) return undefined
  const label = sentence('Share of samples with the same answer as the original', rows)
  return panel('Agreement with the original', barChart({ rows, label, axis: 'same answer', format: formatPercentTick }))
}

function columnsOf(ladder: readonly RungRow[]): Column<RungRow>[] {
  const metric = ladder.find((rung) => rung.metric !== undefined)?.metric?.name ?? 'Metric'
  return [
    {
      title: 'Rung',
      cell: ({ name, kept }) =>
        kept
          ? markup`<b>${name}</b> <span class="tag yes">✓ kept</span>`
          : markup`${name} <span class="tag no">✕ not kept</span>`,
    },
    { title: 'SQNR', figure: true, cell: (rung) => dbCell(rung.sqnrDb) },
    { title: 'Agreement', figure: true, cell: (rung) => figureCell(rung.agreement, formatPercent) },
    { title: 'KL', figure: true, cell: (rung) => figureCell(rung.kl, formatNumber) },
    {
      title: metric,
      figure: true,
      cell: (rung) => (rung.metric === undefined ? notMeasured : formatMetric(rung.metric)),
    },
    { title: 'Time', figure: true, cell: (rung) => figureCell(rung.seconds, formatSeconds) },
    { title: 'Why', cell: (rung) => rung.reason ?? notMeasured },
  ]
}

function nameOf({ name, kept }: RungRow): { label: string; strong: boolean } {
  return { label: kept ? `✓ ${name}` : `✕ ${name}`, strong: kept }
}

function sentence(what: string, rows: readonly BarRow[]): string {
  return `${what} of each rung. ${rows.map((row) => `${row.label}: ${row.text}`).join('; ')}.`
}
