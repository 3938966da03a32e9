// Horizontal bars from zero, one a row, with the spread as a whisker and the figure in words.
import { markup } from '../markup.ts'
import { type ChartRow, rowChart, whisker } from './row-chart.ts'
import { linearScale, pixel } from './scale.ts'

export interface BarRow extends ChartRow {
  readonly value: number
  /** Ends of the whisker. */
  readonly low?: number
  readonly high?: number
}

export interface BarChartOptions {
  readonly rows: readonly BarRow[]
  /** What the chart shows, in a sentence, for those who cannot see it. */
  readonly label: string
  /** What is measured, with its unit. */
  readonly axis: string
  readonly format?: (value: number) => string
  readonly width?: number
}

/** Draws the rows top to bottom; the x axis starts at 0. */
export function barChart(options: BarChartOptions): string {
  const width = options.width ?? 340
  const highest = Math.max(0, ...options.rows.map((row) => Math.max(row.value, row.high ?? 0)))
  const scale = linearScale({ domain: [0, highest], range: [1, width - 24], ticks: 4 })
  return rowChart({
    ...options,
    width,
    scale,
    draw(row, middle) {
      const length = pixel(Math.max(1, scale.at(row.value) - 1))
      const colour = row.strong === true ? 'accent' : 'base'
      return markup`<rect class="${colour}" x="1" y="${middle - 7}" width="${length}" height="14" rx="2"/>
        ${whisker(scale, middle, row.low, row.high)}`
    },
  })
}
