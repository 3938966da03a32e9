// How wide each channel's range is against the median channel, on a logarithmic axis: what stands out, what is dead.
import { formatFactor, formatInteger } from '../format.ts'
import { type Markup, markup } from '../markup.ts'
import { indexStep, verticalAxis } from './axis.ts'
import { logScale, pixel } from './scale.ts'
import { frame } from './svg.ts'

export interface RelativeRanges {
  /** Range ÷ median range of each row, in channel order; a row may stand for several neighbours. */
  readonly values: readonly number[]
  /** Where channels begin to stand out, in the same unit. */
  readonly limit: number
  /** Channels above the limit. */
  readonly outliers: readonly number[]
  /** Channels without a range. */
  readonly dead: readonly number[]
}

export interface RelativeChartOptions extends RelativeRanges {
  /** The same before a change: a dotted line. */
  readonly before?: readonly number[]
  /** Channels in a row; 1 by default. */
  readonly bucketed?: number
  /** What the chart shows, in a sentence, for those who cannot see it. */
  readonly label: string
  readonly xAxis: string
  readonly width?: number
  readonly height?: number
  /** Hover titles; on by default. */
  readonly titles?: boolean
}

const left = 50
/** Below this share of the median the axis is cut: dead channels are marked, not drawn to scale. */
const least = 1e-3

/** Draws a dot a channel, or a bar over several neighbours; ▲ stands out, × is dead, the dashed line is the limit. */
export function relativeChart(options: RelativeChartOptions): string {
  const width = options.width ?? 340
  const height = options.height ?? 190
  const bottom = height - 40
  const perRow = Math.max(1, options.bucketed ?? 1)
  const count = options.values.length * perRow
  const shown = [...options.values, ...(options.before ?? [])].filter((value) => value >= least)
  const high = shown.reduce((most, value) => Math.max(most, value), Math.max(1, options.limit))
  const low = shown.reduce((fewest, value) => Math.min(fewest, value), 1)
  const y = logScale({ domain: [low, high], range: [bottom, 26] })
  const pitch = (width - left - 2) / Math.max(1, count)
  const x = (channel: number): number => left + (channel + 0.5) * pitch
  const at = (value: number): number => y.at(Math.max(value, y.domain[0]))
  const size = Math.ceil(options.values.length / Math.max(64, Math.floor(width / 8))) || 1
  const rows = bucketsOf(options.values, size).map(([from, to], row) => {
    const middle = x(
      (row * size + (Math.min(size, options.values.length - row * size) - 1) / 2) * perRow + (perRow - 1) / 2,
    )
    // One channel is a dot, several are the bar between their least and greatest.
    return size === 1
      ? `M${pixel(middle)} ${pixel(at(to))}h0`
      : `M${pixel(middle)} ${pixel(at(from) + 0.8)}V${pixel(at(to) - 0.8)}`
  })
  const before = options.before && lineOf(options.before, size)
  const thickness = Math.max(1, Math.min(8, pitch * perRow * size * 0.7))
  const step = indexStep(count, 6)
  const ticks = Array.from({ length: Math.ceil(count / step) }, (_, index) => {
    return markup`<text class="quiet mid" x="${pixel(x(index * step))}" y="${height - 22}">${index * step}</text>`
  })
  function lineOf(values: readonly number[], every: number): string {
    return bucketsOf(values, every)
      .map(([, to], row) => `${row === 0 ? 'M' : 'L'}${pixel(x((row + 0.5) * every * perRow - 0.5))} ${pixel(at(to))}`)
      .join('')
  }
  function outlier(channel: number): Markup {
    const value = options.values[Math.floor(channel / perRow)] ?? 1
    const mark = markup`<path class="alarm" d="M${pixel(x(channel))} ${pixel(at(value) - 9)}l4.5 8h-9z"`
    if (options.titles === false) return markup`${mark}/>`
    return markup`${mark}><title>channel ${formatInteger(channel)}: ${formatFactor(value)} the median</title></path>`
  }
  const content = markup`
    ${verticalAxis(y, left - 2, width, { label: 'range ÷ median range (log)' })}
    <path class="axis" d="M${left - 2} ${pixel(bottom)}H${width}"/>
    ${Number.isFinite(options.limit) && markup`<path class="bound" d="M${left - 2} ${pixel(at(options.limit))}H${width}"/>`}
    ${size === 1 ? markup`<path class="dots" d="${rows.join('')}"/>` : markup`<path class="bars" stroke-width="${pixel(thickness)}" d="${rows.join('')}"/>`}
    ${before !== undefined && markup`<path class="dotted" d="${before}"/>`}
    ${options.outliers.map(outlier)}
    <path class="cross" d="${options.dead.map((channel) => `M${pixel(x(channel) - 3)} ${bottom - 7}l6 6m0-6l-6 6`).join('')}"/>
    ${ticks}
    <text class="quiet end" x="${width}" y="${height - 5}">${options.xAxis}</text>`
  return frame({ width, height, label: options.label }, content)
}

/** Least and greatest of `size` neighbours each. */
function bucketsOf(values: readonly number[], size: number): (readonly [number, number])[] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, row) => {
    const part = values.slice(row * size, (row + 1) * size)
    return [Math.min(...part), Math.max(...part)] as const
  })
}
