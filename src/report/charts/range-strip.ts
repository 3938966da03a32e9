// Every channel of a value as a thin bar from its smallest to its largest number; those that go apart in another colour, with their
// number, and a band for the range that the others need.
import { markup } from '../markup.ts'
import { indexStep, verticalAxis } from './axis.ts'
import { linearScale, pixel } from './scale.ts'
import { frame } from './svg.ts'

export interface RangeStripOptions {
  readonly min: readonly number[]
  readonly max: readonly number[]
  /** Channels in each row. */
  readonly bucketed: number
  /** How many channels there are. */
  readonly channels: number
  /** Channels that go apart. */
  readonly apart: readonly number[]
  /** What the chart shows, in a sentence, for those who cannot see it. */
  readonly label: string
  readonly xAxis: string
  readonly yAxis: string
  readonly width?: number
}

const left = 50
const height = 170
/** Pixels that the number of a channel needs. */
const numberWidth = 30

/** Draws the channels from left to right. */
export function rangeStrip(options: RangeStripOptions): string {
  const { min, max, bucketed, channels, apart } = options
  const width = options.width ?? 1040
  const y = linearScale({ domain: [Math.min(0, ...min), Math.max(0, ...max)], range: [height - 40, 34], ticks: 4 })
  const pitch = (width - left - 2) / Math.max(1, min.length)
  const x = (row: number) => left + (row + 0.5) * pitch
  const marked = new Set(apart.map((channel) => Math.floor(channel / bucketed)))
  const bars = (isApart: boolean) =>
    min
      .map((low, row) => {
        if (marked.has(row) !== isApart) return ''
        const [bottom, top] = [y.at(low), y.at(max[row] ?? low)]
        return `M${pixel(x(row))} ${pixel(bottom)}V${pixel(Math.min(top, bottom - 0.8))}`
      })
      .join('')
  const rest = min.flatMap((low, row) => (marked.has(row) ? [] : [[low, max[row] ?? low] as const]))
  const [low, high] = [Math.min(0, ...rest.map(([each]) => each)), Math.max(0, ...rest.map(([, each]) => each))]
  const band = marked.size > 0 && [y.at(high), y.at(low)]
  let free = 0
  const numbers = apart.flatMap((channel) => {
    const place = Math.min(width - numberWidth / 2, x(Math.floor(channel / bucketed)))
    if (place - numberWidth / 2 < free) return []
    free = place + numberWidth / 2
    return [markup`<text class="mid" x="${pixel(place)}" y="28">${channel}</text>`]
  })
  const step = indexStep(channels, width < 500 ? 5 : 16)
  const ticks = Array.from({ length: Math.ceil(channels / step) }, (_, index) => {
    const place = left + ((index * step + 0.5) / bucketed) * pitch
    return markup`<text class="quiet mid" x="${pixel(place)}" y="${height - 22}">${index * step}</text>`
  })
  const stroke = pixel(Math.max(0.6, Math.min(6, pitch * 0.8)))
  const content = markup`
    ${band && markup`<rect class="soft" x="${left}" y="${pixel(band[0] ?? 0)}" width="${pixel(width - left)}" height="${pixel((band[1] ?? 0) - (band[0] ?? 0))}"/>`}
    ${verticalAxis(y, left - 2, width, { label: options.yAxis, labelY: 12 })}
    <path class="bars" stroke-width="${stroke}" d="${bars(false)}"/>
    <path class="apart" stroke-width="${pixel(Math.max(2, Number(stroke)))}" d="${bars(true)}"/>
    ${numbers}${ticks}
    <text class="quiet end" x="${width}" y="${height - 5}">${options.xAxis}</text>`
  return frame({ width, height, label: options.label }, content)
}
