// Labels from a file the person gives: CSV, JSON, or one per line; matched to samples by name or by position.
import { InputError } from '../base/index.ts'
import { parseCsv } from './csv.ts'
import type { Label } from './dataset.ts'

/** Labels by sample name or by position. */
export type LabelTable =
  | {
      readonly kind: 'by-name'
      readonly labels: ReadonlyMap<string, Label>
      readonly names?: ReadonlyMap<number, string>
    }
  | { readonly kind: 'by-position'; readonly labels: readonly Label[] }

export interface CsvColumns {
  readonly key?: string | undefined
  readonly column?: string | undefined
  /** Column of class names. */
  readonly names?: string | undefined
}

const keyNames = ['file', 'filename', 'name', 'path', 'image', 'id']
const labelNames = ['label', 'class', 'target', 'y']

/**
 * Labels from CSV text. Without `columns` they are found by their usual names in the first row, or are the first two.
 * @throws InputError naming the file, the line and what it should hold
 */
export function labelsFromCsv(text: string, file: string, columns: CsvColumns = {}): LabelTable {
  const rows = parseCsv(text)
  const header = rows[0] ?? []
  const find = (given: string | undefined, usual: readonly string[], otherwise: number): number => {
    if (given === undefined) {
      const found = header.findIndex((cell) => usual.includes(cell.toLowerCase()))
      return found < 0 ? otherwise : found
    }
    const index = header.indexOf(given)
    if (index < 0)
      throw new InputError(`labels ${file} have no column "${given}"; the first line is "${header}"`, { file })
    return index
  }
  const label = find(columns.column, labelNames, Math.min(1, header.length - 1))
  const hasHeader = columns.column !== undefined || Number.isNaN(Number(header[label] ?? Number.NaN))
  const body = hasHeader ? rows.slice(1) : rows
  const classOf = (row: readonly string[], index: number) =>
    classNumber(row[label], `line ${index + (hasHeader ? 2 : 1)} of labels ${file}`, file)
  if (header.length === 1) return { kind: 'by-position', labels: body.map(classOf) }
  const key = find(columns.key, keyNames, 0)
  const names = columns.names === undefined ? undefined : find(columns.names, [], 0)
  const labels = new Map<string, Label>()
  const classNames = new Map<number, string>()
  for (const [index, row] of body.entries()) {
    const id = row[key] ?? ''
    const number = classOf(row, index)
    if (labels.has(id)) throw new InputError(`labels ${file} name "${id}" twice`, { file })
    labels.set(id, number)
    if (names !== undefined) classNames.set(number, row[names] ?? '')
  }
  return { kind: 'by-name', labels, ...(names !== undefined && { names: classNames }) }
}

function classNumber(text: unknown, where: string, file: string): number {
  const number = typeof text === 'string' && text.trim() === '' ? Number.NaN : Number(text)
  if (Number.isInteger(number) && number >= -1) return number
  throw new InputError(`${where} has "${text}" where a class number 0, 1, 2 … is expected`, { file })
}

/** Labels from JSON: an object `{ file: label }`, or a list in the order of the samples; `key` picks one of an object's values. */
export function labelsFromJson(text: string, file: string, key?: string): LabelTable {
  const json = parseJson(text, file)
  const listed = key === undefined ? json : isObject(json) ? json[key] : undefined
  if (key !== undefined && listed === undefined) throw new InputError(`labels ${file} have no key "${key}"`, { file })
  if (Array.isArray(listed))
    return {
      kind: 'by-position',
      labels: listed.map((label, index) => labelOf(label, `entry ${index} of labels ${file}`, file)),
    }
  if (!isObject(listed))
    throw new InputError(`labels ${file} must be an object {"file": label} or a list of labels`, { file })
  const entries = Object.entries(listed).map(
    ([name, label]) => [name, labelOf(label, `"${name}" in labels ${file}`, file)] as const,
  )
  return { kind: 'by-name', labels: new Map(entries) }
}

function labelOf(label: unknown, where: string, file: string): Label {
  return Array.isArray(label) ? label.map((each) => classNumber(each, where, file)) : classNumber(label, where, file)
}

/** Labels from text with one class number a line, in the order of the samples. */
export function labelsFromLines(text: string, file: string): LabelTable {
  const lines = text.trimEnd().split(/\r\n|\n|\r/)
  const labels = lines.map((line, index) => classNumber(line, `line ${index + 1} of labels ${file}`, file))
  return { kind: 'by-position', labels }
}

/**
 * The label of every sample, in order.
 * @throws InputError when a sample has no label, or a label no sample, naming the first
 */
export function matchLabels(table: LabelTable, ids: readonly string[], file: string): readonly Label[] {
  if (table.kind === 'by-position') {
    if (table.labels.length === ids.length) return table.labels
    throw new InputError(`labels ${file} have ${table.labels.length} entries for ${ids.length} samples`, { file })
  }
  const used = new Set<string>()
  const labels = ids.map((id) => {
    const key = [id, afterLast(id, '/'), afterLast(id, '#')].find((name) => table.labels.has(name)) ?? id
    const label = table.labels.get(key)
    if (label === undefined) throw new InputError(`sample "${id}" has no label in ${file}`, { file })
    used.add(key)
    return label
  })
  if (used.size < table.labels.size) {
    const left = [...table.labels.keys()].filter((key) => !used.has(key))
    throw new InputError(
      `labels ${file} name "${left[0]}"${left.length > 1 ? ` and ${left.length - 1} more` : ''}, for which there is no sample`,
      { file },
    )
  }
  return labels
}

/** "b.jpg" of "a/b.jpg", "7" of "x.npy#7". */
function afterLast(id: string, mark: string): string {
  return id.slice(id.lastIndexOf(mark) + 1)
}

/** The label of a sequence that predicts its next token: the tokens moved by one, -1 at the end. */
export function nextTokenLabel(tokens: readonly number[]): readonly number[] {
  return [...tokens.slice(1), -1]
}

/** Parses JSON. @throws InputError naming the file */
export function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new InputError(`cannot read ${file}: it is not valid JSON (${why})`, { file }, error)
  }
}

function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}
