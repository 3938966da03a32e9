// One value per item along a sequence, such as the SQNR of each layer along the depth of a network.
import { type Markup, markup } from '../markup.ts'
import { indexTicks, verticalAxis } from './axis.ts'
import { drawBadges } from './badges.ts'
import { linearScale, pixel, type Scale } from './scale.ts'
import { frame } from './svg.ts'

export interface LinePoint {
  /** null stands on the ceiling line (`ceiling`), NaN and infinities on the floor; undefined leaves a gap. */
  readonly value: number | null | undefined
  /** Shown on hover. */
  readonly title: string
  /** A hollow square instead of a dot. */
  readonly hollow?: boolean
  /** A short mark beside the point: "1". */
  readonly badge?: string
}

export interface LineChartOptions {
  readonly points: readonly LinePoint[]
  /** A second line for comparison, dotted and without marks: its value at each point, as in `LinePoint`. */
  readonly second?: { readonly name: string; readonly values: readonly (number | null | undefined)[] }
  /** The y axis reaches at least this far; 10 by default. */
  readonly atLeast?: number
  /** What the chart shows, in a sentence, for those who cannot see it. */
  readonly label: string
  readonly xAxis: string
  readonly yAxis: string
  readonly format?: (value: number) => string
  /** Name of the line at the top for null values: "exact". */
  readonly ceiling?: string
  /** A second reading of the y ticks at the right side: its label and words for a tick. */
  readonly reading?: { readonly label: string; readonly format: (value: number) => string }
  readonly width?: number
  readonly height?: number
  /** Hover titles; on by default. */
  readonly titles?: boolean
}

/** Where everything stands, in pixels. */
interface Layout {
  readonly width: number
  readonly right: number
  readonly bottom: number
  readonly y: Scale
  /** Distance of neighbours. */
  readonly pitch: number
  x(index: number): number
  /** Height of a point; undefined when it has no value. */
  place(point: Pick<LinePoint, 'value'>): number | undefined
}

const left = 46
const ceilingY = 36

/** Draws the points in order from left to right; the y axis always shows 0. */
export function lineChart(options: LineChartOptions): string {
  const { points, format, reading, second } = options
  const height = options.height ?? 300
  const all = [...points.map((point) => point.value), ...(second?.values ?? [])]
  const hasCeiling = options.ceiling !== undefined && all.includes(null)
  const layout = layOut(options, all, height, hasCeiling)
  const { width, right, bottom, y, x, place } = layout
  const badges = points.flatMap((point, index) => {
    const at = place(point)
    return at === undefined || point.badge === undefined ? [] : [{ x: x(index), y: at, text: point.badge }]
  })
  const content = markup`
    ${verticalAxis(y, left, right, { label: options.yAxis, labelY: 12, ...(format && { format }) })}
    ${hasCeiling && ceilingLine(options.ceiling ?? '', right)}
    ${reading && rightReading(layout, reading)}
    ${bottomAxis(layout, points.length, options.xAxis)}
    ${second && secondLine(second, points, layout)}
    <path class="wire" d="${wire(points, layout)}"/>
    ${points.map((point, index) => drawPoint(point, index, layout, options.titles ?? true))}
    ${drawBadges(badges, bottom)}`
  return frame({ width, height, label: options.label }, content)
}

function layOut(
  options: LineChartOptions,
  all: readonly (number | null | undefined)[],
  height: number,
  hasCeiling: boolean,
): Layout {
  const count = options.points.length
  const width = options.width ?? 1040
  const right = width - (options.reading === undefined ? 10 : 74)
  const bottom = height - 42
  const values = all.filter(isFigure)
  const top = hasCeiling ? ceilingY + 16 : 30
  const y = linearScale({
    domain: [Math.min(0, ...values), Math.max(options.atLeast ?? 10, ...values)],
    range: [bottom, top],
  })
  const inset = Math.min(24, (right - left) / count / 2)
  const pitch = count > 1 ? (right - left - 2 * inset) / (count - 1) : 0
  return {
    width,
    right,
    bottom,
    y,
    pitch,
    x: (index) => (count > 1 ? left + inset + index * pitch : (left + right) / 2),
    place({ value }) {
      if (value === undefined) return undefined
      if (value === null) return ceilingY
      return isFigure(value) ? y.at(value) : bottom
    },
  }
}

function isFigure(value: number | null | undefined): value is number {
  return Number.isFinite(value)
}

function ceilingLine(name: string, right: number): Markup {
  return markup`<path class="grid" d="M${left} ${ceilingY}H${pixel(right)}"/>
    <text class="quiet end" x="${left - 7}" y="${ceilingY + 4}">${name}</text>`
}

function bottomAxis({ x, width, right, bottom }: Layout, count: number, label: string): Markup {
  const ticks = indexTicks(count, width < 500 ? 6 : 20)
  return markup`<path class="axis" d="M${left} ${bottom}H${pixel(right)}"/>
    ${ticks.map((tick) => markup`<text class="quiet mid" x="${pixel(x(tick - 1))}" y="${bottom + 16}">${tick}</text>`)}
    <text class="quiet end" x="${pixel(right)}" y="${bottom + 34}">${label}</text>`
}

function rightReading({ y, width, right }: Layout, reading: NonNullable<LineChartOptions['reading']>): Markup {
  const words = y.ticks.map((tick) => {
    return markup`<text class="quiet" x="${pixel(right + 8)}" y="${pixel(y.at(tick) + 4)}">${reading.format(tick)}</text>`
  })
  return markup`<text class="quiet end" x="${width}" y="12">${reading.label}</text>${words}`
}

/** The dotted line, its name at its last value, on the side where the other line and its badges are not. */
function secondLine(
  { name, values }: NonNullable<LineChartOptions['second']>,
  first: readonly LinePoint[],
  layout: Layout,
): Markup {
  const points = values.map((value) => ({ value }))
  const last = points.findLastIndex((point) => layout.place(point) !== undefined)
  const y = last < 0 ? undefined : layout.place(points[last] ?? { value: undefined })
  const other = layout.place(first[last] ?? { value: undefined })
  const below = y !== undefined && other !== undefined && other < y && y + 22 < layout.bottom
  return markup`<path class="dotted" d="${wire(points, layout)}"/>
    ${y !== undefined && markup`<text class="quiet end" x="${pixel(layout.right)}" y="${pixel(below ? y + 17 : Math.max(12, y - 7))}">${name}</text>`}`
}

function wire(points: readonly Pick<LinePoint, 'value'>[], { x, place }: Layout): string {
  let path = ''
  let down = false
  for (const [index, point] of points.entries()) {
    const y = place(point)
    if (y !== undefined) path += `${down ? 'L' : 'M'}${pixel(x(index))} ${pixel(y)}`
    down = y !== undefined
  }
  return path
}

function drawPoint(point: LinePoint, index: number, layout: Layout, titles: boolean): Markup | undefined {
  const { pitch, x, place } = layout
  const y = place(point)
  if (y === undefined) return undefined
  // Marks shrink when the layers stand close, so that 400 of them stay apart.
  const radius = pitch === 0 || pitch > 14 ? 4.5 : pitch > 6 ? 3.4 : pitch > 3 ? 2.6 : 1.8
  if (point.hollow !== true) {
    const dot = markup`<circle class="accent" cx="${pixel(x(index))}" cy="${pixel(y)}" r="${radius}"`
    return titles ? markup`${dot}><title>${point.title}</title></circle>` : markup`${dot}/>`
  }
  const corner = `${pixel(x(index) - radius)} ${pixel(y - radius)}`
  const side = pixel(radius * 2)
  const square = markup`<path class="hollow" d="M${corner}h${side}v${side}h-${side}z"`
  return titles ? markup`${square}><title>${point.title}</title></path>` : markup`${square}/>`
}
