// One mark a channel against two of its figures, such as mean against deviation: clusters and outliers show at once.
import { formatNumber } from '../format.ts'
import { markup } from '../markup.ts'
import { horizontalAxis, verticalAxis } from './axis.ts'
import { linearScale, pixel } from './scale.ts'
import { frame } from './svg.ts'

export interface ScatterPoints {
  readonly x: readonly number[]
  readonly y: readonly number[]
}

export interface ScatterChartOptions extends ScatterPoints {
  /** The same points before a change, drawn behind in grey. */
  readonly before?: ScatterPoints
  /** Points that stand out: index → what to show on hover. They become triangles. */
  readonly outliers?: ReadonlyMap<number, string>
  /** What the chart shows, in a sentence, for those who cannot see it. */
  readonly label: string
  readonly xAxis: string
  readonly yAxis: string
  readonly width?: number
  readonly height?: number
}

const left = 50

/** Draws the points; axes reach just as far as they do. */
export function scatterChart(options: ScatterChartOptions): string {
  const width = options.width ?? 340
  const height = options.height ?? 230
  const bottom = height - 42
  const { before } = options
  const x = linearScale({
    domain: extent(options.x, before?.x),
    range: [left + 6, width - 12],
    ticks: 4,
  })
  const y = linearScale({ domain: extent(options.y, before?.y), range: [bottom - 4, 28], ticks: 4 })
  // Points before that lie far outside stand at the edge.
  const place = (a: number, b: number): string => {
    const [right, down] = [x.at(a), y.at(b)]
    return `${pixel(Math.min(width - 4, Math.max(left, right)))} ${pixel(Math.min(bottom, Math.max(20, down)))}`
  }
  const marks = (points: ScatterPoints): string =>
    points.x.map((value, index) => `M${place(value, points.y[index] ?? 0)}h0`).join('')
  const outliers = [...(options.outliers ?? [])].map(([index, title]) => {
    const [a, b] = [options.x[index] ?? 0, options.y[index] ?? 0]
    return markup`<path class="alarm" d="M${pixel(x.at(a))} ${pixel(y.at(b) - 6)}l5.5 10h-11z"><title>${title}</title></path>`
  })
  const content = markup`
    ${verticalAxis(y, left, width - 4, { label: options.yAxis, labelY: 12, format: formatNumber })}
    ${horizontalAxis(x, bottom, 24, { label: options.xAxis, format: formatNumber })}
    ${before && markup`<path class="ghost" d="${marks(before)}"/>`}
    <path class="dots" d="${marks(options)}"/>
    ${outliers}`
  return frame({ width, height, label: options.label }, content)
}

/** Ends of the values now, with those before as far as they are within one and a half widths. */
function extent(now: readonly number[], before: readonly number[] = []): readonly [number, number] {
  const [low, high] = ends(now.length > 0 ? now : [0, 1])
  const [first, last] = ends(before.length > 0 ? before : [low])
  const room = 1.5 * (high - low)
  return [Math.min(low, Math.max(first, low - room)), Math.max(high, Math.min(last, high + room))]
}

function ends(values: readonly number[]): readonly [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const value of values) {
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  return [low, high]
}
