// A histogram with the limits of the grid as lines. Counts on a logarithmic axis: tails are what clipping cuts.
import { formatCount, formatInteger, formatNumber, formatPercent } from '../format.ts'
import { markup } from '../markup.ts'
import { horizontalAxis, verticalAxis } from './axis.ts'
import { countScale, linearScale, pixel } from './scale.ts'
import { frame } from './svg.ts'

export interface HistogramOptions {
  /** Equally wide bins from `from` to `to`. */
  readonly from: number
  readonly to: number
  readonly counts: readonly number[]
  /** Limits of the grid, drawn as dashed lines. */
  readonly limits?: readonly [number, number]
  /** What the chart shows, in a sentence, for those who cannot see it. */
  readonly label: string
  readonly xAxis: string
  readonly width?: number
  readonly height?: number
}

const mostBars = 48

/** Draws at most 48 bars; finer bins are added up. */
export function histogram(options: HistogramOptions): string {
  const { from, to, limits } = options
  const width = options.width ?? 340
  const height = options.height ?? 200
  const bottom = height - 42
  const size = Math.ceil(options.counts.length / mostBars) || 1
  const counts = mergeBins(options.counts, size)
  const step = ((to - from) * size) / Math.max(1, options.counts.length)
  const total = counts.reduce((sum, count) => sum + count, 0)
  const [lowest, highest] = [Math.min(from, limits?.[0] ?? from), Math.max(to, limits?.[1] ?? to)]
  const x = linearScale({ domain: [lowest, highest], range: [50, width - 12], nice: false })
  const y = countScale({ domain: [0, Math.max(1, ...counts)], range: [bottom, 26] })
  const bars = counts.map((count, index) => {
    if (count === 0) return undefined
    const start = from + index * step
    const end = Math.min(to, start + step)
    const title = `${formatNumber(start, 3)} … ${formatNumber(end, 3)}: ${formatInteger(count)}, ${formatPercent(count / total)}`
    const middle = pixel((x.at(start) + x.at(end)) / 2)
    return markup`<path d="M${middle} ${bottom}V${pixel(y.at(count))}"><title>${title}</title></path>`
  })
  const thickness = Math.max(0.5, x.at(from + step) - x.at(from) - 0.5)
  const lines = limits?.map((limit) => `M${pixel(x.at(limit))} 20V${bottom}`).join('')
  const content = markup`
    ${verticalAxis(y, 46, width - 8, { label: 'count (log scale)', format: countTick })}
    ${horizontalAxis(x, bottom, bottom, { label: options.xAxis })}
    <g class="bars" stroke-width="${pixel(thickness)}">${bars}</g>
    ${lines !== undefined && markup`<path class="bound" d="${lines}"/>`}`
  return frame({ width, height, label: options.label }, content)
}

/** Adds `size` neighbours each; the last group may hold fewer. */
function mergeBins(counts: readonly number[], size: number): number[] {
  const merged: number[] = []
  for (let from = 0; from < counts.length; from += size) {
    merged.push(counts.slice(from, from + size).reduce((sum, count) => sum + count, 0))
  }
  return merged
}

/** "10 k" instead of "10.0 k"; 0 is the axis itself. */
function countTick(count: number): string {
  return count === 0 ? '' : formatCount(count).replace(/\.0+/, '')
}
