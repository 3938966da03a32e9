import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import { parseRecipe } from '../recipe/index.ts'
import { readReport, renderJson } from '../report/index.ts'
import type { AnalyzedLayer, AnalyzeRun } from './analyze/run.ts'
import { analyzeReport } from './analyze-report.node.ts'

const layer: AnalyzedLayer = {
  name: 'conv',
  op: 'Conv',
  noise: { weights: 0.001, activations: 0.002, both: 0.003 },
  blame: 0.003,
  measured: true,
  spared: 0.002,
  sqnrDb: { boxes: 25.2 },
  columns: { boxes: [{ axis: 1, from: 0, to: 4, sqnrDb: 31 }] },
  cause: 'rounding',
  detail: 'nothing stands out',
  remedy: '--exclude conv',
  bytes: 120,
  ms: 0.02,
}
const run = (more: Partial<AnalyzeRun> = {}): AnalyzeRun => ({
  recipe: parseRecipe('analyze', { model: 'a/m.onnx', data: 'random' }),
  layers: [layer],
  noise: 0.004,
  predicted: 0.003,
  samples: 8,
  latencyMs: { float: 2, integer: 1 },
  notes: ['a note'],
  seconds: 1.5,
  ...more,
})

describe('the report of an analysis', async () => {
  const runtime = await testRuntime()

  it('has the layers with their groups of columns, and survives being written and read', () => {
    const report = analyzeReport(run(), runtime)
    assert.deepEqual(report.analysis?.layers[0]?.outputs, { boxes: 25.2, 'boxes, columns 0–3': 31 })
    assert.deepEqual(readReport(renderJson(report)).analysis, report.analysis)
    assert.match(report.commandLine ?? '', /^onnxpress analyze a\/m\.onnx --data random$/)
  })

  it('answers by the noise of everything in integers, and by the latency where it was measured', () => {
    const answers = (more: Partial<AnalyzeRun>) => {
      const { tone, points } = analyzeReport(run(more), runtime).verdict
      return [tone, ...points.map(({ question, answer }) => `${question}: ${answer}`)]
    }
    assert.deepEqual(answers({}), ['good', 'faster: yes', 'as accurate: yes'])
    assert.deepEqual(answers({ noise: 0.02 }), ['mixed', 'faster: yes', 'as accurate: unclear'])
    assert.deepEqual(answers({ noise: Number.NaN }), ['bad', 'faster: yes', 'as accurate: no'])
    const { latencyMs: _, ...untimed } = run({ noise: 0 })
    const { verdict } = analyzeReport(untimed, runtime)
    assert.deepEqual(
      [verdict.points.length, verdict.headline],
      [1, 'everything in integers: exact; most to blame: conv (rounding)'],
    )
  })
})
