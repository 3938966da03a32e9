import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Batch, Label } from '../data/index.ts'
import type { Values } from '../runtime/index.ts'
import { Comparer } from './compare.ts'
import { figureOf, pairOf } from './figures.ts'
import { defineMetric, samplesOf } from './metric.ts'
import { nextToken } from './next-token.ts'
import { ownMetric } from './own-metric.ts'
import { metricNamed, usualMetric } from './score.ts'
import { topK } from './top-k.ts'

const outputs = (dims: number[], values: number[]): Values => ({
  y: { dtype: 'float32', dims, data: Float32Array.from(values) },
})
const batchOf = (labels: readonly Label[] | undefined, size: number): Batch => ({
  ids: Array.from({ length: size }, (_, i) => `s${i}`),
  size,
  inputs: { x: { dtype: 'float32', dims: [size, 1], data: Float32Array.from({ length: size }, (_, i) => i) } },
  ...(labels ? { labels } : {}),
})
const scores = (metric: ReturnType<typeof topK>, labels: readonly Label[], dims: number[], values: number[]) =>
  samplesOf(batchOf(labels, dims[0] ?? 1), outputs(dims, values)).map(metric.score)

describe('metrics', () => {
  it('top-k: the label is among the k highest; of equal values the first wins', () => {
    const values = [1, 3, 2, 5, 5, 0]
    assert.deepEqual(scores(topK(1), [1, 1], [2, 3], values), [[1], [0]])
    assert.deepEqual(scores(topK(2), [0, 1], [2, 3], values), [[0], [1]])
    assert.deepEqual(scores(topK(1), [-1], [1, 3], [1, 2, 3]), [[]])
  })

  it('top-k: a label beyond the classes is refused, a NaN is never right', () => {
    assert.throws(() => scores(topK(1), [3], [1, 3], [1, 2, 3]), /a label is 3, but the model has 3 classes \(0 to 2\)/)
    assert.deepEqual(scores(topK(3), [0], [1, 3], [Number.NaN, 2, 3]), [[0]])
  })

  it('next-token: one score a position, none where there is no next one', () => {
    assert.deepEqual(scores(nextToken, [[1, 0, -1]], [1, 3, 2], [0, 1, 0, 1, 0, 1]), [[1, 0]])
    assert.equal(usualMetric([[1, -1]]).name, 'next-token')
    assert.equal(usualMetric([1]).name, 'top1')
  })

  it('names: any top-k, next-token, perplexity; another one is refused', () => {
    assert.equal(metricNamed('top5').name, 'top5')
    assert.throws(() => metricNamed('top'), /there is no metric "top"; did you mean "top1"\?/)
    assert.throws(
      () => metricNamed('bleu'),
      /there is no metric "bleu"; the metrics are top1, top5, next-token, perplexity, token-error-rate, or give a module/,
    )
    assert.throws(() => metricNamed('cosine'), /cosine compares the embeddings of two models and needs no --metric/)
  })

  it('figures: hits have Wilson intervals, other values those of their mean', () => {
    const share = figureOf(topK(1), [[1], [0], [1], [1]])
    assert.deepEqual([share.value, share.samples], [0.75, 4])
    assert.ok(share.interval.low > 0.3 && share.interval.high < 0.96)
    const decibels = defineMetric({ name: 'psnr', unit: 'dB', needsLabels: false, score: () => 1 })
    const figure = figureOf(decibels, [30, 32, undefined, 34])
    assert.deepEqual([figure.value, figure.samples, figure.unit], [32, 3, 'dB'])
    assert.ok(Math.abs(figure.interval.high - (32 + 1.96 * Math.sqrt(4 / 3))) < 1e-3)
  })

  it('pairs: only samples that both models have; the interval is that of the differences', () => {
    const decibels = defineMetric({ name: 'psnr', unit: 'dB', needsLabels: false, score: () => 1 })
    const pair = pairOf(decibels, [10, 20, 30, undefined], [9, 19, 29, 99])
    assert.deepEqual([pair?.before, pair?.after, pair?.samples], [20, 19, 3])
    // All three differ by the same: nothing is uncertain, although the values themselves lie far apart.
    assert.deepEqual(pair?.interval, { low: -1, high: -1 })
    assert.equal(pairOf(decibels, [undefined], [1]), undefined)
  })

  it('totals: a figure of the whole set, with an interval from drawing the samples again', () => {
    const median = defineMetric({
      name: 'median',
      unit: '',
      needsLabels: false,
      score: () => 1,
      total: (all) => Number([...all].sort((a, b) => Number(a) - Number(b))[Math.floor(all.length / 2)]),
    })
    const values = Array.from({ length: 101 }, (_, i) => i)
    const figure = figureOf(median, values)
    assert.equal(figure.value, 50)
    assert.ok(figure.interval.low > 25 && figure.interval.low < 50 && figure.interval.high > 50)
    assert.deepEqual(figureOf(median, values), figure, 'the same twice')
    assert.equal(
      pairOf(
        median,
        values,
        values.map((value) => value + 2),
      )?.difference,
      2,
    )
  })

  it('own metrics: what is wrong with them is said, with the file and the sample', () => {
    const own = (exported: unknown) => ownMetric(exported, 'm.mjs')
    assert.throws(() => own(undefined), /cannot use the metric m\.mjs: its default export must be an object/)
    assert.throws(() => own({ score: () => 1 }), /m\.mjs: a metric needs a "name"/)
    assert.throws(() => own({ name: 'a' }), /metric "a" needs a function "score"/)
    const sample = { id: 'p.jpg', inputs: {}, outputs: {} }
    const scored = (score: () => unknown) => own({ name: 'a', score }).score(sample)
    assert.throws(() => scored(() => Number.NaN), /it gave NaN for sample "p\.jpg"; expected a finite number/)
    assert.throws(() => scored(async () => 1), /it gave a promise for sample/)
    assert.throws(
      () => scored(() => sample.outputs['y' as never]['data']),
      /it failed on sample "p\.jpg" \(Cannot read/,
    )
    assert.equal(
      scored(() => 2),
      2,
    )
    assert.throws(
      () => own({ name: 'a', score: () => 1, total: () => 'x' }).total?.([1]),
      /its "total" gave a value of/,
    )
  })

  it('a comparison scores labels by the usual metric, and says when they are of another task', () => {
    const fits = new Comparer()
    fits.add(outputs([2, 2], [0, 1, 0, 1]), outputs([2, 2], [0, 1, 1, 0]), batchOf([1, 1], 2))
    assert.deepEqual([fits.result().metric?.before, fits.result().metric?.after], [1, 0.5])
    const strange = new Comparer()
    strange.add(outputs([1, 2], [0, 1]), outputs([1, 2], [0, 1]), batchOf([7], 1))
    assert.equal(strange.result().metric, undefined)
    assert.match(strange.result().unscored ?? '', /a label is 7/)
    const asked = new Comparer(topK(1))
    assert.throws(() => asked.add(outputs([1, 2], [0, 1]), outputs([1, 2], [0, 1]), batchOf([7], 1)), /a label is 7/)
  })

  it('a metric without labels needs none', () => {
    const largest = ownMetric(
      {
        name: 'largest',
        unit: '',
        score: ({ outputs: { y } }: never) => Math.max(...((y as never)['data'] as number[])),
      },
      'm.mjs',
    )
    const comparer = new Comparer(largest)
    comparer.add(outputs([2, 2], [0, 1, 4, 5]), outputs([2, 2], [0, 2, 4, 6]), batchOf(undefined, 2))
    assert.deepEqual([comparer.result().metric?.before, comparer.result().metric?.difference], [3, 1])
  })
})
