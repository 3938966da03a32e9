// Two bars a row, before and after: what something was, and what it has become.
import { markup } from '../markup.ts'
import type { BarChartOptions } from './bar-chart.ts'
import { type ChartRow, rowChart } from './row-chart.ts'
import { linearScale, pixel } from './scale.ts'

export interface PairRow extends ChartRow {
  readonly before: number
  readonly after: number
}

export interface PairChartOptions extends Omit<BarChartOptions, 'rows'> {
  readonly rows: readonly PairRow[]
}

/** Draws the rows top to bottom, before above after; the x axis starts at 0. */
export function pairChart(options: PairChartOptions): string {
  const width = options.width ?? 340
  const highest = Math.max(0, ...options.rows.flatMap(({ before, after }) => [before, after]))
  const scale = linearScale({ domain: [0, highest], range: [1, width - 24], ticks: 4 })
  const bar = (value: number, kind: string, top: number) =>
    markup`<rect class="${kind}" x="1" y="${top}" width="${pixel(Math.max(1, scale.at(value) - 1))}" height="7" rx="1.5"/>`
  return rowChart({
    ...options,
    width,
    scale,
    draw: ({ before, after }, middle) => [bar(before, 'base', middle - 8), bar(after, 'accent', middle)],
  })
}
