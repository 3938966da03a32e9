// What bar, interval and range charts share: rows with a name at the left, a figure at the right, one x axis below.
import type { MarkupPart } from '../markup.ts'
import { type Markup, markup } from '../markup.ts'
import { horizontalAxis } from './axis.ts'
import { pixel, type Scale } from './scale.ts'
import { characterWidth, fitText, frame } from './svg.ts'

export interface ChartRow {
  readonly label: string
  /** The figure as people read it: "5.24 ± 0.03 ms". */
  readonly text: string
  /** Draws the row in the accent colour and its words in bold. */
  readonly strong?: boolean
}

export interface RowChartOptions<Row extends ChartRow> {
  readonly rows: readonly Row[]
  readonly width: number
  readonly scale: Scale
  readonly label: string
  readonly axis: string
  readonly format?: (value: number) => string
  /** What the colours mean, drawn above the rows. */
  readonly legend?: MarkupPart
  /** Draws one row around the height `middle`, below its words. */
  draw(row: Row, middle: number): MarkupPart
}

const rowHeight = 42
const legendHeight = 28

/** Draws the rows from top to bottom. */
export function rowChart<Row extends ChartRow>(options: RowChartOptions<Row>): string {
  const { rows, width, scale, format } = options
  const top = options.legend === undefined ? 0 : legendHeight
  const bottom = top + rows.length * rowHeight + 4
  const axis = horizontalAxis(scale, bottom, top, { label: options.axis, ...(format && { format }) })
  const drawn = rows.map((row, index) => {
    const y = top + index * rowHeight
    const room = width - row.text.length * characterWidth - 18
    const weight = row.strong === true ? 'strong' : 'quiet'
    return markup`<g>
      <title>${row.label}: ${row.text}</title>
      <text class="${weight}" x="1" y="${y + 14}">${fitText(row.label, room)}</text>
      <text class="${weight} end" x="${width - 1}" y="${y + 14}">${row.text}</text>
      ${options.draw(row, y + 28)}
    </g>`
  })
  return frame({ width, height: bottom + 40, label: options.label }, markup`${options.legend}${axis}${drawn}`)
}

/** A whisker from `low` to `high`; nothing when either is unknown. */
export function whisker(scale: Scale, middle: number, low: number | undefined, high: number | undefined): MarkupPart {
  if (low === undefined || high === undefined) return undefined
  return whiskerLine(scale.at(low), scale.at(high), middle)
}

function whiskerLine(from: number, to: number, middle: number): Markup {
  const end = (x: number): string => `M${pixel(x)} ${middle - 4}v8`
  return markup`<path class="whisker" d="M${pixel(from)} ${middle}H${pixel(to)}${end(from)}${end(to)}"/>`
}
