// report.json: the report as data, always with the same order of keys.
import { InputError } from '../base/index.ts'
import { measuredOnly } from './measured-only.ts'
import type { Report } from './report.ts'
import { checkReport } from './schema.ts'

/**
 * Renders a report as JSON text, with a newline at the end. The order of keys never depends on how the rows were built.
 * An SQNR of null is an exact match; one that is not a finite number is written as "-Infinity" or "NaN".
 * @throws InputError when a value has the wrong type.
 */
export function renderJson(report: Report): string {
  return `${JSON.stringify(measuredOnly(report), spellOut, 2)}\n`
}

/**
 * Reads the text of a report.json back. `file` is its name for the error message.
 * @throws InputError when it is not JSON, or not a report of this version.
 */
export function readReport(text: string, file = 'report.json'): Report {
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch (error) {
    throw new InputError(`cannot read ${file}: it is not JSON; is it the report.json of a run?`, { file }, error)
  }
  return checkReport(data, file)
}

function spellOut(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}
