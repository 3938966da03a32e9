// Horizontal bars made of parts, one a row: how much of something there is, and what it is made of.
import { markup } from '../markup.ts'
import type { BarChartOptions } from './bar-chart.ts'
import { type ChartRow, rowChart } from './row-chart.ts'
import { linearScale, pixel } from './scale.ts'
import { characterWidth } from './svg.ts'

export interface StackRow extends ChartRow {
  /** From the axis outwards, in the order of the chart's parts. */
  readonly parts: readonly number[]
}

export interface StackChartOptions extends Omit<BarChartOptions, 'rows'> {
  readonly rows: readonly StackRow[]
  /** What the parts are, each in a colour of its own. */
  readonly parts: readonly { readonly name: string; readonly colour: 'accent' | 'warn' | 'base' }[]
}

const swatch = 12

/** Draws the rows top to bottom, the colours in words above them; the x axis starts at 0. */
export function stackChart(options: StackChartOptions): string {
  const width = options.width ?? 340
  const sums = options.rows.map(({ parts }) => parts.reduce((sum, part) => sum + Math.max(0, part), 0))
  const scale = linearScale({ domain: [0, Math.max(0, ...sums)], range: [1, width - 24], ticks: 4 })
  let left = 1
  const legend = options.parts.map(({ name, colour }) => {
    const x = left
    left += swatch + 6 + name.length * characterWidth + 18
    return markup`<rect class="${colour}" x="${pixel(x)}" y="1" width="${swatch}" height="${swatch}" rx="2"/>
      <text class="quiet" x="${pixel(x + swatch + 6)}" y="11">${name}</text>`
  })
  return rowChart({
    ...options,
    width,
    scale,
    legend,
    draw({ parts }, middle) {
      let from = 0
      return options.parts.map(({ colour }, index) => {
        const start = scale.at(from)
        from += Math.max(0, parts[index] ?? 0)
        const length = scale.at(from) - start
        return (
          length > 0.05 &&
          markup`<rect class="${colour}" x="${pixel(start)}" y="${middle - 7}" width="${pixel(length)}" height="14"/>`
        )
      })
    },
  })
}
