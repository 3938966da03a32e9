// Points with their 95 % intervals, one a row. The axis need not start at zero: differences matter, not lengths.
import { markup } from '../markup.ts'
import type { BarChartOptions } from './bar-chart.ts'
import { rowChart, whisker } from './row-chart.ts'
import { linearScale, pixel } from './scale.ts'

export interface IntervalChartOptions extends BarChartOptions {
  /** Where the axis must end, such as [0, 1] for shares. */
  readonly limits?: readonly [number, number]
}

/** Draws the rows of a bar chart as marks on whiskers: a dot for a strong row, a square for the others. */
export function intervalChart(options: IntervalChartOptions): string {
  const { rows, limits } = options
  const width = options.width ?? 340
  const lowest = Math.min(...rows.map((row) => row.low ?? row.value))
  const highest = Math.max(...rows.map((row) => row.high ?? row.value))
  const room = Math.max((highest - lowest) * 0.15, Math.abs(highest) * 0.005)
  const from = Math.max(lowest - room, limits?.[0] ?? -Infinity)
  const to = Math.min(highest + room, limits?.[1] ?? Infinity)
  const scale = linearScale({ domain: [from, to], range: [16, width - 24], ticks: 4 })
  return rowChart({
    ...options,
    width,
    scale,
    draw(row, middle) {
      const x = scale.at(row.value)
      const mark =
        row.strong === true
          ? markup`<circle class="accent" cx="${pixel(x)}" cy="${middle}" r="5.5"/>`
          : markup`<rect class="base" x="${pixel(x - 4.5)}" y="${middle - 4.5}" width="9" height="9"/>`
      return [whisker(scale, middle, row.low, row.high), mark]
    },
  })
}
