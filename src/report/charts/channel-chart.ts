// Minimum, mean and maximum per channel: one upright bar a channel with a tick at its mean.
import { formatNumber } from '../format.ts'
import { markup } from '../markup.ts'
import { indexStep, verticalAxis } from './axis.ts'
import { linearScale, pixel } from './scale.ts'
import { frame } from './svg.ts'

export interface ChannelRanges {
  readonly min: readonly number[]
  readonly mean: readonly number[]
  readonly max: readonly number[]
}

export interface ChannelChartOptions extends ChannelRanges {
  /** The same channels before a change: dotted lines at their minimum and maximum. */
  readonly before?: ChannelRanges
  /** What the chart shows, in a sentence, for those who cannot see it. */
  readonly label: string
  readonly xAxis: string
  readonly yAxis: string
  /** Channels in each given row, when they come bucketed already; 1 by default. */
  readonly bucketed?: number
  readonly width?: number
  readonly height?: number
  /** Hover titles; on by default. */
  readonly titles?: boolean
}

const left = 50

/** Draws at most one bar every eight pixels or 64; more channels are put into buckets that keep every extreme. */
export function channelChart(options: ChannelChartOptions): string {
  const width = options.width ?? 340
  const height = options.height ?? 190
  const bucketed = Math.max(1, options.bucketed ?? 1)
  const mostBars = Math.max(64, Math.floor(width / 8))
  const size = Math.ceil(options.min.length / mostBars) || 1
  const before = options.before && bucketChannels(options.before, size)
  const { min, mean, max } = bucketChannels(options, size)
  const count = options.min.length * bucketed
  const perBar = size * bucketed
  // What was before may be forty times as wide: it is cut, so that what is now can still be seen.
  const [low, high] = [least(min, 0), most(max, 0)]
  const room = 1.5 * (high - low)
  const y = linearScale({
    domain: [Math.max(least(before?.min ?? [], low), low - room), Math.min(most(before?.max ?? [], high), high + room)],
    range: [height - 40, 26],
    ticks: 4,
  })
  const pitch = (width - left - 2) / Math.max(1, min.length)
  const bar = Math.max(1, Math.min(12, pitch * 0.7))
  const x = (index: number): number => left + (index + 0.5) * pitch
  const bars = min.map((low, index) => {
    const high = max[index] ?? low
    const top = Math.min(y.at(high), y.at(low) - 0.8)
    const line = `M${pixel(x(index))} ${pixel(y.at(low))}V${pixel(top)}`
    if (options.titles === false) return line
    const range = `${formatNumber(low, 3)} … ${formatNumber(high, 3)}, mean ${formatNumber(mean[index] ?? low, 3)}`
    return markup`<path d="${line}"><title>${channelName(index, perBar, count)}: ${range}</title></path>`
  })
  const means = mean.map((value, index) => `M${pixel(x(index) - bar / 2 - 1)} ${pixel(y.at(value))}h${pixel(bar + 2)}`)
  const inside = (place: number): number => Math.max(20, Math.min(height - 38, place))
  const steps = (values: readonly number[]): string =>
    `M${left} ${values.map((value, index) => `${index === 0 ? '' : 'V'}${pixel(inside(y.at(value)))}H${pixel(left + (index + 1) * pitch)}`).join('')}`
  const step = indexStep(count, 6)
  const ticks = Array.from({ length: Math.ceil(count / step) }, (_, index) => {
    const place = left + ((index * step + 0.5) / perBar) * pitch
    return markup`<text class="quiet mid" x="${pixel(place)}" y="${height - 22}">${index * step}</text>`
  })
  const drawn = options.titles === false ? markup`<path d="${bars.join('')}"/>` : bars
  const content = markup`
    ${verticalAxis(y, left - 2, width, { label: options.yAxis })}
    <path class="axis" d="M${left - 2} ${pixel(y.at(0))}H${width}"/>
    <g class="bars" stroke-width="${pixel(bar)}">${drawn}</g>
    <path class="mean" d="${means.join('')}"/>
    ${before && markup`<path class="dotted" d="${steps(before.min)}${steps(before.max)}"/>`}
    ${ticks}
    <text class="quiet end" x="${width}" y="${height - 5}">${options.xAxis}</text>`
  return frame({ width, height, label: options.label }, content)
}

/** Puts `size` neighbours into one row: least minimum, mean of means, greatest maximum. */
export function bucketChannels(ranges: ChannelRanges, size: number): ChannelRanges {
  if (size <= 1) return ranges
  const min: number[] = []
  const mean: number[] = []
  const max: number[] = []
  for (let from = 0; from < ranges.min.length; from += size) {
    min.push(least(ranges.min.slice(from, from + size), Infinity))
    max.push(most(ranges.max.slice(from, from + size), -Infinity))
    const means = ranges.mean.slice(from, from + size)
    mean.push(means.reduce((sum, value) => sum + value, 0) / means.length)
  }
  return { min, mean, max }
}

function channelName(index: number, perBar: number, count: number): string {
  if (perBar === 1) return `channel ${index}`
  return `channels ${index * perBar} to ${Math.min(count, (index + 1) * perBar) - 1}`
}

function least(values: readonly number[], start: number): number {
  return values.reduce((low, value) => Math.min(low, value), start)
}

function most(values: readonly number[], start: number): number {
  return values.reduce((high, value) => Math.max(high, value), start)
}
