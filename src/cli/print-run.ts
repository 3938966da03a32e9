// What a finished run leaves and prints: report page, report.json in a run folder, and on stdout one JSON object or the summary.
import { join } from 'node:path'
import type { Report } from '../report/index.ts'
import { printJson, printLines, type RecipeFlags } from './session.ts'

/** A run's report and where it goes. */
export interface RunOutput {
  readonly report: Report
  /** What `--json` prints. */
  readonly json: Record<string, unknown>
  /** Files that were written, models first. */
  readonly files: readonly { readonly label: string; readonly path: string }[]
  /** The page beside the model when there is no run folder. */
  readonly page: string
  /** What is printed instead of the report's summary. */
  readonly lines?: readonly string[]
}

/** Writes the report as the flags say, and prints. */
export async function printRun(output: RunOutput, flags: RecipeFlags): Promise<void> {
  const [{ renderHtml, renderJson, renderSummary }, { writeFileAtomic }] = await Promise.all([
    import('../report/index.ts'),
    import('../onnx/index.node.ts'),
  ])
  const folder = flags.run
  const page = folder === undefined ? output.page : join(folder, 'report.html')
  const withReport = folder !== undefined || flags.report !== false
  const report = {
    ...output.report,
    files: [...output.files, ...(withReport ? [{ label: 'report', path: page }] : [])],
  }
  if (withReport) await writeFileAtomic(page, renderHtml(report))
  if (folder !== undefined) await writeFileAtomic(join(folder, 'report.json'), renderJson(report))
  if (flags.json) return printJson(output.json)
  if (output.lines) return printLines([...output.lines, ...report.files.map(({ label, path }) => `${label}: ${path}`)])
  const { columns, isTTY } = process.stdout
  process.stdout.write(`${renderSummary(report, { colour: isTTY === true, width: columns ?? 100 })}\n`)
}

/** A recipe whose model goes into the run folder when there is one and no output is named. */
export function intoFolder<R extends { readonly output?: string }>(recipe: R, { run }: RecipeFlags): R {
  return run !== undefined && recipe.output === undefined ? { ...recipe, output: join(run, 'model.onnx') } : recipe
}
