// Runs a compression and tells: summary or JSON on stdout, report page and run folder on disk.
import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ProgressEvent } from '../base/index.ts'
import type { CompressRecipe } from '../pipeline/index.ts'
import { printJson, type RecipeFlags, withRuntime } from './session.ts'

export async function runCompress(given: CompressRecipe, flags: RecipeFlags): Promise<void> {
  const folder = flags.run
  if (folder !== undefined) mkdirSync(folder, { recursive: true })
  const recipe =
    folder !== undefined && given.output === undefined ? { ...given, output: join(folder, 'model.onnx') } : given
  await withRuntime(flags, async (runtime, watch) => {
    const [
      { compressFile, compressJson, compressReport },
      { renderHtml, renderJson, renderSummary },
      { writeFileAtomic },
    ] = await Promise.all([
      import('../pipeline/index.node.ts'),
      import('../report/index.ts'),
      import('../onnx/index.node.ts'),
    ])
    const progress = (event: ProgressEvent) => {
      watch.progress?.(event)
      if (folder !== undefined) appendFileSync(join(folder, 'events.jsonl'), `${JSON.stringify(event)}\n`)
    }
    if (folder !== undefined) await writeFileAtomic(join(folder, 'recipe.json'), `${JSON.stringify(recipe, null, 2)}\n`)
    const cache = folder === undefined ? {} : { cacheFolder: join(folder, 'cache') }
    const run = await compressFile(runtime, recipe, { ...watch, progress, ...cache })
    const last = run.points.at(-1)
    const page = folder === undefined ? `${last?.output}.report.html` : join(folder, 'report.html')
    const withReport = folder !== undefined || flags.report !== false
    const report = {
      ...compressReport(run, runtime),
      files: [
        ...run.points.map((point) => ({ label: 'model', path: point.output })),
        ...run.points.flatMap(({ tuned }) => (tuned ? [{ label: 'tuned', path: tuned.output }] : [])),
        ...run.points.flatMap(({ quantized }) => (quantized ? [{ label: 'int8', path: quantized.output }] : [])),
        ...(withReport ? [{ label: 'report', path: page }] : []),
      ],
    }
    if (withReport) await writeFileAtomic(page, renderHtml(report))
    if (folder !== undefined) await writeFileAtomic(join(folder, 'report.json'), renderJson(report))
    if (flags.json) printJson(compressJson(run))
    else {
      const { columns, isTTY } = process.stdout
      process.stdout.write(`${renderSummary(report, { colour: isTTY === true, width: columns ?? 100 })}\n`)
    }
  })
}
