// Every model of the manifest through `quantize`, as the Markdown table of docs/models.md.
// Usage: node --import tsx bench/models.ts [word…]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf } from '../src/base/index.ts'
import { layerCounts, type QuantizeRun, quantizeFile } from '../src/pipeline/index.node.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { manifestEntries, recipeFor } from '../test/support/manifest.ts'

const words = process.argv.slice(2)
const runtime = await openRuntime()
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-bench-'))

function row(run: QuantizeRun): string[] {
  const { comparison, latency, sizeBytes } = run
  const { integer, total } = layerCounts(run)
  const metric = comparison?.metric
  const share = (value: number) => (100 * value).toFixed(1)
  const db = Object.values(comparison?.sqnrDb ?? {}).map((value) => (value === null ? 'exact' : value.toFixed(1)))
  return [
    `${integer} of ${total}`,
    metric ? `${metric.name} ${share(metric.before)} → ${share(metric.after)} (${metric.samples})` : '',
    comparison?.agreement === undefined ? '' : share(comparison.agreement),
    db.length > 4
      ? `${Math.min(...db.map(Number)).toFixed(1)} … ${Math.max(...db.map(Number)).toFixed(1)}`
      : db.join(', '),
    `${(sizeBytes.before / 1e3).toFixed(0)} → ${(sizeBytes.after / 1e3).toFixed(0)}`,
    latency ? `${latency.before.medianMs.toFixed(2)} → ${latency.after.medianMs.toFixed(2)}` : '',
  ]
}

try {
  console.log(
    '| model | samples | integer layers | metric, % | agreement, % | SQNR, dB | size, kB | latency, ms |\n|---|---|---|---|---|---|---|---|',
  )
  for (const entry of manifestEntries().filter(
    ({ file }) => words.length === 0 || words.some((word) => file.includes(word)),
  )) {
    const recipe = recipeFor(entry, { output: join(folder, 'out.onnx') })
    const cells = await quantizeFile(runtime, recipe).then(row, (error: unknown) => [
      messageOf(error).replace(recipe.model, entry.file),
      '',
      '',
      '',
      '',
      '',
    ])
    console.log(`| ${[entry.file, recipe.data === 'random' ? 'random' : 'real', ...cells].join(' | ')} |`)
  }
} finally {
  await runtime.close()
  rmSync(folder, { recursive: true })
}
