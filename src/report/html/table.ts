// Tables of the page. Every chart has one near it, so nothing is said in a picture only.
import { sqnrRank } from '../figures.ts'
import { formatDb, formatPlural, notMeasured } from '../format.ts'
import { type Markup, markup } from '../markup.ts'

export interface Cell {
  readonly show: Markup | string
  /** What to sort by when it is not the text. */
  readonly value?: number
}

export interface Column<Row> {
  readonly title: string
  /** Right-aligned figures. */
  readonly figure?: boolean
  /** Words that are not broken into lines. */
  readonly tight?: boolean
  cell(row: Row): Cell | Markup | string
}

export interface TableOptions<Row> {
  /** As wide as its content needs. */
  readonly slim?: boolean
  /** Gets sort buttons when scripts run. */
  readonly sortable?: boolean
  readonly id?: (row: Row) => string
  readonly rowClass?: (row: Row) => string | undefined
}

/** Longer tables get a box of fixed height, so that what follows stays within reach. */
const mostRowsAtOnce = 40

/** A table in its own scroll box. Columns in which nothing was measured are left out. */
export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  options: TableOptions<Row> = {},
): Markup {
  const lines = rows.map((row) => ({ row, cells: columns.map((column) => cellOf(column.cell(row))) }))
  const shown = columns
    .map((column, index) => ({ ...column, index }))
    .filter(({ index }) => lines.some(({ cells }) => cells[index]?.show !== notMeasured))
  const head = shown.map((column) => markup`<th scope="col"${classOf(column)}>${column.title}</th>`)
  const body = lines.map(({ row, cells }) => {
    const id = attribute('id', options.id?.(row))
    const kind = attribute('class', options.rowClass?.(row))
    const data = shown.map((column) =>
      drawCell(column, cells[column.index] ?? { show: notMeasured }, options.sortable === true),
    )
    return markup`<tr${id}${kind}>${data}</tr>`
  })
  const tall = rows.length > mostRowsAtOnce
  return markup`
    ${tall && markup`<p class="rows">${formatPlural(rows.length, 'row')}; the table scrolls.</p>`}
    <div class="scroll${options.slim === true && ' slim'}${tall && ' tall'}" tabindex="0">
      <table${attribute('class', options.sortable === true ? 'sortable' : undefined)}>
        <thead><tr>${head}</tr></thead>
        <tbody>${body}</tbody>
      </table>
    </div>`
}

/** A table folded away behind a line of text. */
export function foldedTable<Row>(
  summary: string,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  options: TableOptions<Row> = {},
): Markup {
  return markup`<details><summary>${summary}</summary>${table(rows, columns, options)}</details>`
}

/** A cell for a number that may be missing; missing ones sort last. */
export function figureCell(value: number | undefined, show: (value: number) => string): Cell {
  return value === undefined || !Number.isFinite(value) ? { show: notMeasured } : { show: show(value), value }
}

/** SQNR as a sortable cell: an exact match is above every figure, what is not a number below. */
export function dbCell(db: number | null | undefined): Cell {
  return db === undefined ? { show: notMeasured } : { show: formatDb(db), value: sqnrRank(db) }
}

function drawCell(column: Pick<Column<never>, 'figure' | 'tight'>, cell: Cell, sortable: boolean): Markup {
  const value = cell.value === undefined || !sortable ? undefined : String(Number(cell.value.toPrecision(6)))
  const key = value === cell.show ? undefined : value
  return markup`<td${classOf(column)}${attribute('data-v', key)}>${cell.show}</td>`
}

function classOf({ figure, tight }: Pick<Column<never>, 'figure' | 'tight'>): Markup | undefined {
  return attribute('class', figure === true ? 'fig' : tight === true ? 'tight' : undefined)
}

function attribute(name: 'class' | 'data-v' | 'id', value: string | undefined): Markup | undefined {
  return value === undefined ? undefined : markup` ${name}="${value}"`
}

function cellOf(cell: Cell | Markup | string): Cell {
  return typeof cell === 'object' && 'show' in cell ? cell : { show: cell }
}
