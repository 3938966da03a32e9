// What a grid covers against what was seen: one row a tensor, every row scaled to its own chosen range.
import { formatPercentTick } from '../format.ts'
import { markup } from '../markup.ts'
import { type ChartRow, rowChart } from './row-chart.ts'
import { linearScale, pixel } from './scale.ts'

export interface RangeRow extends ChartRow {
  /** The range that was chosen. */
  readonly low: number
  readonly high: number
  readonly observedLow: number
  readonly observedHigh: number
}

export interface RangeChartOptions {
  readonly rows: readonly RangeRow[]
  readonly label: string
  readonly width?: number
}

/**
 * The wide soft bar is the chosen range (0 % to 100 %), the thin line what was observed.
 * A line that leaves the range by more than its width ends in an arrow.
 */
export function rangeChart(options: RangeChartOptions): string {
  const { rows } = options
  const width = options.width ?? 500
  const lowest = Math.min(0, ...rows.map((row) => shareOf(row, row.observedLow)))
  const highest = Math.max(1, ...rows.map((row) => shareOf(row, row.observedHigh)))
  const scale = linearScale({ domain: [lowest, highest], range: [14, width - 24], nice: false })
  return rowChart({
    ...options,
    width,
    scale,
    axis: 'share of the chosen range',
    format: formatPercentTick,
    draw(row, middle) {
      const from = scale.at(shareOf(row, row.observedLow))
      const to = scale.at(shareOf(row, row.observedHigh))
      const low = lineEnd(from, middle, row.low - row.observedLow > row.high - row.low, -1)
      const high = lineEnd(to, middle, row.observedHigh - row.high > row.high - row.low, 1)
      const [left, width] = [pixel(scale.at(0)), pixel(scale.at(1) - scale.at(0))]
      return markup`<rect class="soft" x="${left}" y="${middle - 8}" width="${width}" height="16"/>
        <path class="whisker" d="M${pixel(from)} ${middle}H${pixel(to)}${low}${high}"/>`
    },
  })
}

/** Where a value stands in the chosen range, 0 to 1 inside; at most one width outside. */
function shareOf(row: RangeRow, value: number): number {
  return Math.min(2, Math.max(-1, (value - row.low) / (row.high - row.low || 1)))
}

/** A tick where the observed values end, an arrow where the chart cuts them. */
function lineEnd(x: number, middle: number, cut: boolean, side: 1 | -1): string {
  if (!cut) return `M${pixel(x)} ${middle - 5}v10`
  return `M${pixel(x - 6 * side)} ${middle - 5}L${pixel(x)} ${middle}L${pixel(x - 6 * side)} ${middle + 5}`
}
