// A table of numbers as cells of colour: one row an item, one column a candidate; chosen cells are framed.
import { markup } from '../markup.ts'
import { fitText, frame } from './svg.ts'

export interface HeatRow {
  readonly name: string
  /** One a column; null is an empty cell. */
  readonly values: readonly (number | null)[]
  /** Column that is framed. */
  readonly chosen?: number
}

export interface HeatMapOptions {
  readonly rows: readonly HeatRow[]
  readonly columns: readonly string[]
  readonly label: string
  /** Values at and above this have the full colour. */
  readonly full: number
  readonly format: (value: number) => string
  readonly width?: number
}

const rowHeight = 18
const top = 20

/** Draws the rows top to bottom. The colour grows with the square root of the value, so that small ones differ too. */
export function heatMap({ rows, columns, label, full, format, width = 640 }: HeatMapOptions): string {
  const left = Math.min(220, Math.round(width * 0.3))
  const cell = (width - left - 2) / Math.max(1, columns.length)
  const height = top + rows.length * rowHeight + 4
  const heads = columns.map(
    (name, i) =>
      markup`<text class="tick" x="${round(left + (i + 0.5) * cell)}" y="14" text-anchor="middle">${name}</text>`,
  )
  const body = rows.map((row, r) => {
    const y = top + r * rowHeight
    const cells = row.values.map((value, i) => {
      if (value === null) return undefined
      const shade = value > 0 ? round(Math.min(1, Math.sqrt(value / full))) : 0
      const x = round(left + i * cell)
      const chosen = row.chosen === i
      return markup`<rect class="accent" x="${x}" y="${y}" width="${round(cell - 1)}" height="${rowHeight - 1}" fill-opacity="${shade}"><title>${row.name}, ${columns[i] ?? ''}: ${format(value)}</title></rect>${
        chosen &&
        markup`<rect x="${x}" y="${y}" width="${round(cell - 1)}" height="${rowHeight - 1}" fill="none" stroke="currentColor" stroke-width="2"/>`
      }`
    })
    return markup`<text class="tick" x="${left - 6}" y="${y + 13}" text-anchor="end">${fitText(row.name, left - 12)}</text>${cells}`
  })
  return frame({ width, height, label }, markup`${heads}${body}`)
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
