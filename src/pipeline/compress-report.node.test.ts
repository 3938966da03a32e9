import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { surveyLayers } from '../compress/index.ts'
import { parseRecipe } from '../recipe/index.ts'
import { checkReport, renderHtml, renderJson } from '../report/index.ts'
import { observeShapes } from '../runtime/index.ts'
import { macsBudget } from './compress/budgets/macs.ts'
import type { PointMeasures } from './compress/measure.ts'
import type { CompressPoint, CompressRun } from './compress.node.ts'
import { compressJson } from './compress-json.node.ts'
import { compressReport } from './compress-report.node.ts'

const runtime = await testRuntime()
const model = tinyModel('x[N,16] -> Gemm 16->16 transB=1 -> a; a -> Relu -> Gemm 16->16 transB=1 -> y')
const shapes = await observeShapes(runtime, model, {
  x: { dtype: 'float32', dims: [1, 16], data: new Float32Array(16).fill(1) },
})

const measures = (share: number): PointMeasures => ({
  comparison: {
    ...{ samples: 200, agreement: 0.95, kl: 0.02, sqnrDb: { y: 18.4 } },
    metric: {
      ...{ name: 'top1', samples: 200, before: 0.9, after: 0.89, difference: -0.01 },
      interval: { low: -0.03, high: 0.01 },
    },
  } as unknown as PointMeasures['comparison'],
  latency: {
    before: { medianMs: 2, lowMs: 1.9, highMs: 2.2 },
    after: { medianMs: 1, lowMs: 0.9, highMs: 1.2 },
  } as never,
  macs: { before: 512, after: 512 * share },
  parameters: { before: 544, after: 400 },
  activationBytes: { before: 256, after: 128 },
})

const point = (target: number, more: Partial<CompressPoint> = {}): CompressPoint => ({
  ...{ model, output: `m.macs${100 * target}.onnx`, target, measures: measures(target) },
  plan: { method: 'splits', splits: {}, channels: {}, losses: {}, ratio: target },
  layers: [
    { name: 'Gemm_a', choice: { split: 'output-side', rank: 4 }, error: 0.05 },
    { name: 'Gemm_y', error: 0, channels: { before: 16, after: 12 }, inputs: { before: 16, after: 8 } },
  ],
  sizeBytes: { before: 3000, after: 2000 },
  ...more,
})

const run = (points: readonly CompressPoint[], more: Partial<CompressRun> = {}): CompressRun => ({
  recipe: parseRecipe('compress', { model: 'm.onnx', data: 'd', macs: [0.5] }),
  ...{ budget: macsBudget([0.5]), points, refused: [], rewrites: [], survey: surveyLayers(model, shapes) },
  ...{
    curves: new Map(),
    floatModel: model,
    shapes,
    evaluations: 3,
    seconds: 1.5,
    samples: ['a', 'b'],
    notes: ['a note'],
  },
  ...more,
})

describe('the JSON of a compression', () => {
  it('is that of its point, with what each layer became', () => {
    const json = compressJson(run([point(0.5)]))
    assert.deepEqual(json['macs'], { before: 512, after: 256, ratio: 0.5 })
    assert.deepEqual(json['latencyMs'], { before: 2, after: 1 })
    assert.deepEqual(json['samples'], ['a', 'b'])
    assert.equal(json['evaluations'], 3)
    assert.deepEqual(json['layers'], [
      { name: 'Gemm_a', method: 'weight-svd', ratio: 0.5, split: 'output-side', rank: 4, error: 0.05 },
      // 12 of 16 outputs from 8 of 16 inputs.
      {
        ...{ name: 'Gemm_y', method: 'prune', ratio: 0.375, error: 0 },
        ...{ channels: 12, channelsBefore: 16, inputs: 8, inputsBefore: 16 },
      },
    ])
    for (const absent of ['points', 'forced', 'closed', 'tuned', 'quantized']) assert.ok(!(absent in json), absent)
  })

  it('lists points where there are several, or some were refused', () => {
    const both = compressJson(run([point(0.8), point(0.5)]))
    assert.equal((both['points'] as unknown[]).length, 2)
    const refused = [{ target: 0.3, reason: '0.3 of the MACs is refused' }]
    const some = compressJson(run([point(0.5)], { refused }))
    assert.deepEqual([(some['points'] as unknown[]).length, some['refused']], [1, refused])
  })

  it('says why a result was written only by force, what holds channels, and how long layers take', () => {
    const layerLatency = new Map([['Gemm_a', { before: 2, after: 1 }]])
    const closed = [{ name: 'Gemm_y', reason: '"y" is a graph output' }]
    const json = compressJson(run([point(0.5, { forced: 'it is far', layerLatency })], { closed }))
    assert.equal(json['forced'], 'it is far')
    assert.deepEqual(json['closed'], closed)
    assert.deepEqual((json['layers'] as { latencyMs?: unknown }[])[0]?.latencyMs, { before: 2, after: 1 })
  })
})

describe('the report of a compression', () => {
  const curves = new Map([
    ['Gemm_a', { name: 'Gemm_a', curves: [{ split: 'output-side' as const, errors: [0.5, 0.2, 0.1, 0.05, 0.02] }] }],
  ])

  it('tells of the last point, and draws the curve of all of them', () => {
    const report = compressReport(run([point(0.8), point(0.5)], { curves }), runtime)
    assert.equal(report.title, 'm.onnx → m.macs50.onnx')
    assert.match(report.verdict.headline, /; 50.0 % of the multiplications$/)
    assert.deepEqual(
      report.compression?.curve.map(({ name, macs }) => [name, macs]),
      [
        ['original', 512],
        ['m.macs80.onnx', 409.6],
        ['m.macs50.onnx', 256],
      ],
    )
    assert.deepEqual(
      report.variants.map(({ name }) => name),
      ['float', '80 % of the MACs', '50 % of the MACs'],
    )
    assert.match(renderHtml(checkReport(JSON.parse(renderJson(report)), 'the report')), /What each layer became/)
  })

  it('shows for each layer what it became and the least error at every share', () => {
    const { compression } = compressReport(run([point(0.5)], { curves }), runtime)
    const [split, pruned] = compression?.layers ?? []
    assert.equal(split?.what, 'weight-svd output-side, rank 4')
    // At a tenth of the layer not even rank 1 fits; at half of it rank 4 does.
    assert.deepEqual([split?.errors[0], split?.errors[4]], [null, 0.05])
    assert.equal(split?.spectrum?.rank, 4)
    assert.equal(pruned?.what, 'prune, 12 of 16 outputs and 8 of 16 inputs stay')
  })

  it('says of a layer that was not fitted that it was asked to keep its form', () => {
    const { compression } = compressReport(run([point(0.5, { layers: [] })]), runtime)
    assert.deepEqual(
      compression?.layers.map(({ what, ratio }) => [what, ratio]),
      [
        ['keeps its form: asked to', 1],
        ['keeps its form: asked to', 1],
      ],
    )
  })

  it('gives reasons of refused targets as advice', () => {
    const refused = [{ target: 0.3, reason: '0.3 of the MACs is refused' }]
    assert.deepEqual(compressReport(run([point(0.5)], { refused }), runtime).verdict.advice, [refused[0]?.reason])
  })
})
