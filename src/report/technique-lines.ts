// The techniques that were tried as a few aligned lines for a terminal.
import {
  formatDb,
  formatMetricValue,
  formatNumber,
  formatPercent,
  formatSeconds,
  notMeasured,
  plainText,
} from './format.ts'
import type { TechniqueRow } from './report.ts'

/** A column: its cells, and how soon it goes when the terminal is narrow (the highest first). */
interface Column {
  readonly cells: readonly string[]
  readonly left?: boolean
  readonly spare: number
}

/** One line a technique, at most `width` wide: name, SQNR, agreement, KL, metric, seconds, and why it was dropped. */
export function techniqueLines(techniques: readonly TechniqueRow[], width: number): string[] {
  if (techniques.length === 0) return []
  const figure = (spare: number, cell: (row: TechniqueRow) => string | undefined): Column => ({
    cells: techniques.map((row) => cell(row) ?? notMeasured),
    spare,
  })
  const all: Column[] = [
    { cells: techniques.map(({ name, kept }) => `${kept ? '✓' : '✕'} ${oneLine(name)}`), left: true, spare: 0 },
    figure(1, ({ sqnrDb }) => formatDb(sqnrDb)),
    figure(2, ({ agreement }) => (agreement === undefined ? undefined : formatPercent(agreement))),
    figure(5, ({ kl }) => (kl === undefined ? undefined : `KL ${formatNumber(kl, 2)}`)),
    figure(3, ({ metric }) => metric && `${oneLine(metric.name)} ${formatMetricValue(metric, metric.value)}`),
    figure(4, ({ seconds }) => (seconds === undefined ? undefined : formatSeconds(seconds))),
    {
      cells: techniques.map(({ kept, reason }) => (kept || reason === undefined ? '' : oneLine(reason))),
      left: true,
      spare: 6,
    },
  ]
  let columns = all.filter(({ cells }) => cells.some((cell) => cell !== notMeasured && cell !== ''))
  while (columns.length > 1 && widthOf(columns) > width) {
    const last = columns.reduce((most, column) => (column.spare > most.spare ? column : most))
    columns = columns.filter((column) => column !== last)
  }
  return techniques.map((_, row) =>
    columns
      .map(({ cells, left }) => {
        const wide = Math.max(...cells.map((cell) => cell.length))
        return left === true ? (cells[row] ?? '').padEnd(wide) : (cells[row] ?? '').padStart(wide)
      })
      .join('  ')
      .trimEnd()
      .slice(0, width),
  )
}

function widthOf(columns: readonly Column[]): number {
  return columns.reduce((sum, { cells }) => sum + 2 + Math.max(...cells.map((cell) => cell.length)), -2)
}

function oneLine(text: string): string {
  return plainText(text).replace(/\s+/g, ' ')
}
