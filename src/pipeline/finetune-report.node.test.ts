import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import type { Comparison } from '../metrics/index.ts'
import { parseRecipe } from '../recipe/index.ts'
import { checkReport, renderHtml, renderJson } from '../report/index.ts'
import type { FinetuneRun } from './finetune.node.ts'
import { finetuneJson, finetuneReport } from './finetune-report.node.ts'

const runtime = await testRuntime()
const model = tinyModel('x[N,4] -> Gemm 4->4 -> y')
const compared = (db: number, more: object = {}): Comparison => ({ samples: 100, sqnrDb: { y: db }, ...more })
const scored = (before: number, after: number, low: number, high: number) =>
  compared(20, {
    metric: { name: 'top1', samples: 100, before, after, difference: after - before, interval: { low, high } },
  })

const run = (more: Partial<FinetuneRun> = {}, recipe: object = {}): FinetuneRun => ({
  recipe: parseRecipe('finetune', { model: 'm.onnx', data: 'd', ...recipe }),
  ...{ output: 'm.tuned.onnx', model, comparison: scored(0.8, 0.85, 0.01, 0.09), kernels: [] },
  tuned: {
    ...{ model, kept: true },
    result: {
      ...{ history: [{ epoch: 1, loss: 0.5, rate: 0.001, seconds: 2 }], losses: [{ step: 0, loss: 1 }], notes: [] },
      ...{ steps: 12, stepMs: 3.25, best: { epoch: 1, score: 0.85 } },
    },
  } as unknown as FinetuneRun['tuned'],
  layers: { trained: 1, asked: 1, untrained: [] },
  ...{ sizeBytes: { before: 1000, after: 1000 }, trainedNumbers: 20, notes: [] },
  ...more,
})
const verdictOf = (...given: Parameters<typeof run>) => finetuneReport(run(...given), runtime).verdict

describe('the JSON of a training', () => {
  it('has score, steps and what was trained', () => {
    const json = finetuneJson(run())
    assert.deepEqual(
      ['epochs', 'steps', 'stepMs', 'bestEpoch', 'trainedNumbers', 'kept'].map((key) => json[key]),
      [1, 12, 3.25, 1, 20, true],
    )
    assert.deepEqual(json['layersTrained'], { trained: 1, asked: 1 })
    assert.equal((json['metric'] as { after: number }).after, 0.85)
    assert.ok(!('deployed' in json) && !('untrained' in json))
  })

  it('names layers that stayed as they are', () => {
    assert.deepEqual(finetuneJson(run({ layers: { trained: 1, asked: 2, untrained: ['b'] } }))['untrained'], ['b'])
  })

  it('counts integer layers of a quantised result, and tells what was deployed', () => {
    const deployed = compared(50, { agreement: 0.99 })
    const json = finetuneJson(
      run({ deployed, kernels: [{ integer: true }, { integer: false }] as never }, { qat: true }),
    )
    assert.deepEqual(json['layerCounts'], { total: 2, integer: 1 })
    assert.deepEqual(json['deployed'], { agreement: 0.99 })
  })
})

describe('the report of a training', () => {
  it('is as accurate where the interval allows it, and advises where it does not', () => {
    assert.equal(verdictOf().tone, 'good')
    const worse = verdictOf({ comparison: scored(0.8, 0.7, -0.15, -0.05) })
    assert.equal(worse.tone, 'bad')
    assert.deepEqual(worse.advice, ['give a smaller --lr, or more samples'])
    assert.equal(verdictOf({ comparison: scored(0.8, 0.79, -0.05, 0.03) }).tone, 'mixed')
  })

  it('is measured against the teacher where there are no labels', () => {
    const verdict = verdictOf({ comparison: compared(30), taught: { before: compared(18), after: compared(24) } })
    assert.match(verdict.headline, /^fine-tuned: SQNR 18.0 dB → 24.0 dB$/)
    assert.match(verdict.points[1]?.text ?? '', /against the teacher$/)
    assert.equal(verdict.tone, 'good')
  })

  it('says what quantising alone would have given', () => {
    const verdict = verdictOf({ comparison: compared(25), untrained: compared(19) }, { qat: true })
    assert.match(verdict.headline, /^trained with 8-bit weights and 8-bit activations: SQNR 19.0 dB → 25.0 dB/)
    assert.match(verdict.points[1]?.text ?? '', /quantised without training 19.0 dB/)
  })

  it('can be drawn', () => {
    const report = finetuneReport(run(), runtime)
    assert.deepEqual(
      report.facts.map(({ label }) => label),
      ['model', 'trained', 'step', 'result'],
    )
    assert.match(renderHtml(checkReport(JSON.parse(renderJson(report)), 'the report')), /m\.tuned\.onnx/)
  })
})
