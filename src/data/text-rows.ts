// Sentences in files: one a line (.txt), a column of a table (.csv), an object a line (.jsonl); with labels or without.
import { InputError } from '../base/index.ts'
import { parseCsv } from './csv.ts'
import type { Label } from './dataset.ts'
import { parseJson } from './labels.ts'

/** A sentence and what the file says of it. */
export interface TextRow {
  /** Its place, for messages: "line 3". */
  readonly where: string
  readonly text: string
  /** A class number, one a position, or the name of a class. */
  readonly label?: Label | string
}

export interface TextRows {
  readonly rows: readonly TextRow[]
  /** What was assumed, a sentence each. */
  readonly notes: readonly string[]
}

export type TextFormat = 'txt' | 'csv' | 'jsonl'

const textNames = ['text', 'sentence']
const labelNames = ['label', 'labels']

/**
 * The sentences of a file; lines without any are left out and counted.
 * @param column of a .csv, or key of a .jsonl, that holds them; "text" or "sentence" if not given, else the first
 * @throws InputError naming the file and the line
 */
export function textRows(text: string, format: TextFormat, file: string, column?: string): TextRows {
  const content = text.replace(/^\uFEFF/, '')
  if (content.includes('\0'))
    throw new InputError(`cannot read the sentences of ${file}: it is not UTF-8 text`, { file })
  const { rows, notes } =
    format === 'csv' ? csvRows(content, file, column) : { rows: lineRows(content, format, file, column), notes: [] }
  const full = rows.filter((row) => row.text.trim() !== '')
  if (full.length === 0) throw new InputError(`${file} holds no sentences: every line of it is empty`, { file })
  checkLabels(full, file)
  const empty = rows.length - full.length
  return {
    rows: full,
    notes:
      empty === 0
        ? notes
        : [
            ...notes,
            `${empty === 1 ? 'one empty line' : `${empty} empty lines`} of ${file} ${empty === 1 ? 'is' : 'are'} left out`,
          ],
  }
}

function lineRows(content: string, format: TextFormat, file: string, column: string | undefined): TextRow[] {
  const lines = content.split(/\r\n|\n|\r/)
  // A line break ends the last line; it begins no other.
  if (lines.at(-1) === '') lines.pop()
  return lines.map((line, index) => {
    const where = `line ${index + 1}`
    return format === 'txt' || line.trim() === '' ? { where, text: line } : jsonRow(line, where, file, column)
  })
}

function jsonRow(line: string, where: string, file: string, column: string | undefined): TextRow {
  const json = parseJson(line, `${where} of ${file}`)
  if (typeof json === 'string' && column === undefined) return { where, text: json }
  const fields = typeof json === 'object' && json !== null ? new Map(Object.entries(json)) : new Map<string, unknown>()
  const key = column ?? textNames.find((name) => fields.has(name))
  const text = key === undefined ? [...fields.values()].find((value) => typeof value === 'string') : fields.get(key)
  if (typeof text !== 'string')
    throw new InputError(
      `${where} of ${file} has no sentence: expected an object with ${column === undefined ? 'the key "text"' : `a text "${column}"`}, such as {"text": "…", "label": 1}`,
      { file },
    )
  const label = labelNames.map((name) => fields.get(name)).find((value) => value !== undefined && value !== null)
  if (label === undefined) return { where, text }
  if (typeof label === 'string' || Number.isInteger(label)) return { where, text, label: label as number | string }
  if (Array.isArray(label) && label.every(Number.isInteger)) return { where, text, label }
  throw new InputError(
    `${where} of ${file} has the label ${JSON.stringify(label)}; expected a class number, a list of them, or a name`,
    { file },
  )
}

function csvRows(content: string, file: string, column: string | undefined): TextRows {
  const table = parseCsv(content)
  const [header = [], ...body] = table
  const find = (names: readonly string[]) => header.findIndex((cell) => names.includes(cell.toLowerCase()))
  const given = column === undefined ? find(textNames) : header.indexOf(column)
  if (column !== undefined && given < 0)
    throw new InputError(`${file} has no column "${column}"; the first line is "${header}"`, { file })
  const label = find(labelNames)
  const hasHeader = given >= 0 || label >= 0 || isHeader(header, body)
  const at = given >= 0 ? given : header.findIndex((_, index) => index !== label)
  const rows = (hasHeader ? body : table).map((cells, index): TextRow => {
    const where = `row ${index + (hasHeader ? 2 : 1)}`
    const its = cells[label]
    return { where, text: cells[at] ?? '', ...(its !== undefined && its !== '' && { label: classOf(its) }) }
  })
  const first = hasHeader
    ? `its column "${header[at] ?? ''}" is read`
    : 'its first column is read, from the first line on'
  return { rows, notes: given >= 0 ? [] : [`${file} has no column "text" or "sentence": ${first}`] }
}

/** A line that names columns has a word where all others have a number. */
function isHeader(header: readonly string[], body: readonly (readonly string[])[]): boolean {
  const isNumber = (cell: string | undefined) => cell !== undefined && cell !== '' && !Number.isNaN(Number(cell))
  return body.length > 0 && header.some((cell, at) => !isNumber(cell) && body.every((cells) => isNumber(cells[at])))
}

/** "3" is a class number, "positive" a name. */
function classOf(cell: string): number | string {
  const number = Number(cell)
  return Number.isInteger(number) ? number : cell
}

function checkLabels(rows: readonly TextRow[], file: string): void {
  const without = rows.find(({ label }) => label === undefined)
  if (without && rows.some(({ label }) => label !== undefined))
    throw new InputError(`${without.where} of ${file} has no label, and other lines have one`, { file })
}
