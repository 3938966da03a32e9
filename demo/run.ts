// npm run demo: quantises the bundled network the naive way and per channel, and shows what each costs.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { writeFileAtomic } from '../src/onnx/index.node.ts'
import { quantizeFile, quantizeReport } from '../src/pipeline/index.node.ts'
import { parseRecipe, type QuantizeRecipe } from '../src/pipeline/index.ts'
import {
  formatBytes,
  formatDb,
  formatMs,
  formatPercent,
  renderHtml,
  renderSummary,
  type VariantRow,
} from '../src/report/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'

const here = import.meta.dirname
const out = join(here, 'out')
mkdirSync(out, { recursive: true })

function recipe(weights: QuantizeRecipe['weights']): QuantizeRecipe {
  const made = parseRecipe('quantize', {
    model: join(here, 'model.onnx'),
    data: join(here, 'calibration.json'),
    val: join(here, 'test.json'),
    preprocess: join(here, 'preprocess.json'),
    weights,
    output: join(out, `model.${weights}.int8.onnx`),
  })
  return made
}

function line({ name, sizeBytes, latencyMs, metric, sqnrDb }: VariantRow): string {
  const share = metric
    ? `${formatPercent(metric.value)} (95 % ${formatPercent(metric.interval.low)} to ${formatPercent(metric.interval.high)})`
    : ''
  const cells = [
    formatBytes(sizeBytes ?? 0),
    formatMs(latencyMs ?? 0),
    share,
    sqnrDb === undefined ? '' : formatDb(sqnrDb),
  ]
  return `${name.padEnd(18)} ${cells.map((cell, i) => cell.padEnd([10, 10, 34, 8][i] ?? 0)).join(' ')}`
}

const runtime = await openRuntime()
try {
  const progress = {
    progress: ({ step, done }: { step: string; done: number }) => done === 0 && process.stderr.write(`${step}\n`),
  }
  process.stderr.write('naive: one scale for each weight\n')
  const naive = quantizeReport(await quantizeFile(runtime, recipe('per-tensor')), runtime)
  process.stderr.write('one scale for each output channel\n')
  const run = await quantizeFile(runtime, recipe('per-channel'), progress)
  const best = quantizeReport(run, runtime)
  const page = join(out, 'report.html')
  const [float, perChannel] = best.variants
  const perTensor = naive.variants[1]
  if (!float || !perChannel || !perTensor) throw new Error('the demo measured nothing')
  const variants = [float, { ...perTensor, kept: false }, perChannel]
  const report = {
    ...best,
    variants,
    files: [
      { label: 'model', path: run.output },
      { label: 'report', path: page },
    ],
  }
  await writeFileAtomic(page, renderHtml(report))
  console.log(
    [
      '',
      'model              size       latency    top-1                              SQNR',
      ...variants.map(line),
      '',
    ].join('\n'),
  )
  console.log(renderSummary(report, { colour: process.stdout.isTTY === true, width: process.stdout.columns ?? 100 }))
} finally {
  await runtime.close()
}
