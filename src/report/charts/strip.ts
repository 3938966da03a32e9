// A strip along the network: every layer a cell in one of a few lanes. The lane says the state, colour only repeats it.
import { markup } from '../markup.ts'
import { indexTicks } from './axis.ts'
import { pixel } from './scale.ts'
import { frame } from './svg.ts'

export interface StripLane {
  readonly name: string
  readonly colour: 'accent' | 'warn' | 'base'
}

export interface StripOptions {
  readonly lanes: readonly StripLane[]
  /** One cell an item, left to right: the index of its lane, and what to show on hover. */
  readonly cells: readonly { readonly lane: number; readonly title: string }[]
  /** What the chart shows, in a sentence, for those who cannot see it. */
  readonly label: string
  readonly xAxis: string
  readonly width?: number
  /** Hover titles; on by default. */
  readonly titles?: boolean
}

const laneHeight = 30
const left = 64

/** Draws the lanes as rows and the cells as columns. */
export function strip(options: StripOptions): string {
  const { lanes, cells } = options
  const width = options.width ?? 1040
  // Eight layers need not be stretched over the whole page.
  const pitch = Math.min(48, (width - left - 4) / Math.max(1, cells.length))
  const gap = pitch > 12 ? 2 : pitch > 4 ? 1 : pitch > 2 ? 0.4 : 0
  const length = pixel(pitch * cells.length)
  const size = pixel(Math.max(0.4, pitch - gap))
  const bottom = lanes.length * laneHeight
  const rows = lanes.map((lane, index) => {
    const y = index * laneHeight
    return markup`<rect class="faint" x="${left}" y="${y + 2}" width="${length}" height="${laneHeight - 4}" rx="2"/>
      <text class="quiet end" x="${left - 8}" y="${y + 19}">${lane.name}</text>`
  })
  const outlines = cells.map((cell, index) => {
    const corner = `${pixel(left + index * pitch + gap / 2)} ${cell.lane * laneHeight + 4}`
    return `M${corner}h${size}v${laneHeight - 8}h-${size}z`
  })
  const columns =
    options.titles === false
      ? lanes.map(({ colour }, lane) => {
          const outline = outlines.filter((_, index) => cells[index]?.lane === lane).join('')
          return markup`<path class="${colour}" d="${outline}"/>`
        })
      : cells.map((cell, index) => {
          const colour = lanes[cell.lane]?.colour ?? 'base'
          return markup`<path class="${colour}" d="${outlines[index]}"><title>${cell.title}</title></path>`
        })
  const ticks = indexTicks(cells.length, width < 500 ? 6 : 20).map((tick) => {
    return markup`<text class="quiet mid" x="${pixel(left + (tick - 0.5) * pitch)}" y="${bottom + 15}">${tick}</text>`
  })
  const axis = markup`<text class="quiet" x="${left}" y="${bottom + 34}">${options.xAxis}</text>`
  return frame({ width, height: bottom + 40, label: options.label }, markup`${rows}${columns}${ticks}${axis}`)
}
