// The parts of a Markdown page: tables, lists, names, in which nothing of a file's own text is taken for markup.
import { notMeasured, plainText } from './format.ts'

/** Leaves out columns in which nothing was measured. Cells are Markdown already. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return ''
  const columns = heads.flatMap((_, index) => (rows.some((row) => row[index] !== notMeasured) ? [index] : []))
  const line = (cells: readonly string[]): string => `| ${columns.map((index) => cells[index] ?? '').join(' | ')} |`
  return [line(heads), `|${columns.map(() => ' --- |').join('')}`, ...rows.map((row) => line(row))].join('\n')
}

/** Sentences as a list. */
export function list(items: readonly string[]): string {
  return items.map((item) => `- ${words(item)}`).join('\n')
}

/** A part with its heading; nothing when there is nothing to say. */
export function section(title: string, body: string): string {
  return body === '' ? '' : `## ${title}\n\n${body}`
}

/** Text in which nothing is read as Markdown or HTML. */
export function words(text: string): string {
  return plainText(text)
    .replace(/\s+/g, ' ')
    .replace(/[\\`*_[\]|~]/g, '\\$&')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
}

/** A name as code; a fence longer than any run of backticks in it. */
export function code(name: string): string {
  const text = plainText(name).replace(/\s+/g, ' ').replaceAll('|', '\\|')
  const fence = '`'.repeat(longestRun(text) + 1)
  return fence.length > 1 ? `${fence} ${text} ${fence}` : `\`${text}\``
}

/** Text that is shown as it is. */
export function fenced(language: string, text: string): string {
  const fence = '`'.repeat(Math.max(3, longestRun(text) + 1))
  return `${fence}${language}\n${text}\n${fence}`
}

function longestRun(text: string): number {
  return Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length))
}
