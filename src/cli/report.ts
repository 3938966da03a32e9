// onnxpress report RUN: renders a finished run again, from its report.json.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InputError, UsageError } from '../base/index.ts'
import type { Report } from '../report/index.ts'

export interface ReportOptions {
  readonly output?: string
  readonly json?: boolean
}

/**
 * Prints the summary (or the report as JSON), or writes a page when an output is named.
 * @throws UsageError for an output of another kind, InputError when the run has no report
 */
export async function reportCommand(run: string, { output, json = false }: ReportOptions): Promise<void> {
  const render = output === undefined ? undefined : await rendererFor(output)
  const report = await reportOf(run)
  if (output !== undefined && render !== undefined) {
    const { writeFileAtomic } = await import('../onnx/index.node.ts')
    await writeFileAtomic(output, render(report))
    process.stdout.write(json ? `${JSON.stringify({ output })}\n` : `written to ${output}\n`)
    return
  }
  const { renderJson, renderSummary } = await import('../report/index.ts')
  const { columns, isTTY } = process.stdout
  process.stdout.write(
    json
      ? `${JSON.stringify(JSON.parse(renderJson(report)))}\n`
      : `${renderSummary(report, { colour: isTTY === true, width: columns ?? 100 })}\n`,
  )
}

async function rendererFor(output: string): Promise<(report: Report) => string> {
  const { renderHtml, renderMarkdown } = await import('../report/index.ts')
  if (/\.html?$/i.test(output)) return renderHtml
  if (/\.(md|markdown)$/i.test(output)) return renderMarkdown
  throw new UsageError(`cannot render a report as ${output}: the name must end in .html or .md`)
}

/** Reads the report of a run folder, or a report.json itself. */
async function reportOf(run: string): Promise<Report> {
  const { readReport } = await import('../report/index.ts')
  const file = run.endsWith('.json') ? run : join(run, 'report.json')
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch {
    throw new InputError(
      `cannot read ${file}: there is no such file; name the folder of a finished run (made with --run DIR)`,
      { file },
    )
  }
  return readReport(text, file)
}
