// The figures of data-free and post-training quantisation: each configuration of `quantize` on each model, as a table.
// Usage: node --import tsx bench/quantize.ts [CONFIGURATION[,…]] [MODEL…], for example "default,per-tensor mobilenet mcunet".
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { layerCounts, quantizeFile } from '../src/pipeline/index.node.ts'
import type { QuantizeRecipe } from '../src/pipeline/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { manifestEntries, recipeFor } from '../test/support/manifest.ts'

const configurations: Readonly<Record<string, Partial<QuantizeRecipe>>> = {
  naive: { techniques: ['none'] },
  default: {},
  high: { effort: 'high' },
  'per-tensor': { weights: 'per-tensor' },
  'exact-caps': { weights: 'per-tensor', clip: 'exact' },
  w4: { weightBits: 4, samples: 128 },
  'w4-all': { weightBits: 4, keep8bit: ['none'], samples: 128 },
  none: { data: 'none' },
  'none-per-tensor': { data: 'none', weights: 'per-tensor', clip: 'exact' },
}
const chosen = (process.argv[2] ?? 'default').split(',')
const words = process.argv.slice(3)
const labelled = manifestEntries().filter((entry) => entry.metric && entry.loads && entry.data)
const models = labelled.filter((entry) => words.length === 0 || words.some((word) => entry.file.startsWith(word)))
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-bench-'))
const runtime = await openRuntime()
const percent = (share: number | undefined) => (share === undefined ? '' : (100 * share).toFixed(1))

console.log(
  '| model | configuration | integer | SQNR, dB | agreement, % | metric, % | loss − 1.64 s.e., points | techniques | s |',
)
console.log('|---|---|---|---|---|---|---|---|---|')
try {
  for (const entry of models) {
    for (const name of chosen) {
      const base = recipeFor(entry, { output: join(folder, 'out.onnx') })
      const more = configurations[name]
      if (!more) throw new Error(`no configuration "${name}"; there are ${Object.keys(configurations).join(', ')}`)
      const val = more.data === 'none' ? { val: base.val ?? base.data } : {}
      const started = performance.now()
      try {
        const run = await quantizeFile(runtime, { ...base, ...more, ...val })
        const { integer, total } = layerCounts(run)
        const { comparison } = run
        const metric = comparison?.metric
        const first = Object.values(comparison?.sqnrDb ?? {})[0]
        // The upper end of the paired 95 % interval is 1.96 standard errors above the difference.
        const error = metric ? (metric.interval.high - metric.difference) / 1.96 : 0
        const loss = metric ? (100 * (-metric.difference - 1.64 * error)).toFixed(2) : ''
        const tried = run.ladder
          ?.map((row) => `${row.kept ? '' : '✗ '}${row.name} ${row.sqnrDb?.toFixed(1)}`)
          .join(' → ')
        console.log(
          `| ${entry.file} | ${name} | ${integer}/${total} | ${first?.toFixed(2) ?? ''} | ${percent(comparison?.agreement)} | ${percent(metric?.before)} → ${percent(metric?.after)} | ${loss} | ${tried ?? ''} | ${((performance.now() - started) / 1000).toFixed(1)} |`,
        )
      } catch (error) {
        console.log(`| ${entry.file} | ${name} | ${error instanceof Error ? error.message : error} | | | | | | |`)
      }
    }
  }
} finally {
  await runtime.close()
  rmSync(folder, { recursive: true })
}
