// report.json: the report as data, always with the same order of keys.
import { InputError } from '../base/index.ts'
import type { Report } from './report.ts'
import { reportSchema } from './schema.ts'

/**
 * Renders a report as JSON text, with a newline at the end. The order of keys never depends on how the rows were built.
 * NaN and infinities are left out as not measured: JSON would write null, which means an exact match.
 */
export function renderJson(report: Report): string {
  return `${JSON.stringify(checked(finite(report), 'the report'), undefined, 2)}\n`
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
  return checked(data, file)
}

function checked(data: unknown, file: string): Report {
  const result = reportSchema.safeParse(data)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const place =
    issue === undefined || issue.path.length === 0 ? 'its top level' : `"${issue.path.map(String).join('.')}"`
  const said = (issue?.message ?? 'a wrong value').replace(/^Invalid input: /, '')
  throw new InputError(
    `cannot read ${file} as a report of version 1: ${place} is wrong (${said}); run the command again to get a fresh one`,
    { file },
    result.error,
  )
}

function finite(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(finite)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, item]) => typeof item !== 'number' || Number.isFinite(item))
  return Object.fromEntries(entries.map(([key, item]) => [key, finite(item)]))
}
