import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { InputError, randomStream } from '../base/index.ts'
import type { Batch } from '../data/index.ts'
import { observeShapes } from '../runtime/index.ts'
import { channelPart, channelStatistics } from './channel-statistics.ts'
import { ChannelTally } from './channel-tally.ts'
import { mergeParts, statisticsIn } from './merge-parts.ts'
import { calibrate, calibratePart } from './pass.ts'
import { TensorTally } from './tensor-tally.ts'

/** Batches of two samples, whose values have very different sizes: sums of them round. */
const batches = Array.from({ length: 9 }, (_, index): Batch => {
  const random = randomStream(index, 'parts')
  const data = Float32Array.from({ length: 2 * 3 * 20 * 20 }, () => random.normal() * 10 ** random.integer(-3, 1))
  const rows = Float32Array.from({ length: 2 * 6 }, () => random.normal() * 10 ** random.integer(-6, 4))
  const pixels = Float32Array.from({ length: 2 * 40 }, () => random.integer(0, 7) / 7)
  return {
    ids: [`${2 * index}`, `${2 * index + 1}`],
    size: 2,
    inputs: {
      x: { dtype: 'float32', dims: [2, 3, 20, 20], data },
      w: { dtype: 'float32', dims: [2, 6], data: rows },
      p: { dtype: 'float32', dims: [2, 40], data: pixels },
    },
  }
})

async function* stream(from: number, to: number): AsyncGenerator<Batch> {
  yield* batches.slice(from, to)
}

/** [0, 9) in parts, empty ones among them. */
const cuts = [[], [4], [0, 1], [2, 2, 5], [1, 3, 4, 6, 7, 8]].map((ends) => {
  const edges = [0, ...ends, batches.length]
  return edges.slice(1).map((to, i) => [edges[i] ?? 0, to] as const)
})

describe('parts of a pass', async () => {
  const runtime = await testRuntime()
  const model = tinyModel(
    'x[N,3,20,20] -> Conv 3x3 3->4 -> c! -> Relu -> r!; p[N,40] -> Gemm 40->3 -> g!; w[N,6] -> Neg -> n!',
  )
  const shapes = await observeShapes(runtime, model, batches[0]?.inputs ?? {})

  it('merge into what one pass over all batches finds, bit for bit, through JSON, however they are cut', async () => {
    const requests = [
      { value: 'x', histogram: true },
      { value: 'p', histogram: true },
      { value: 'c', histogram: true },
      { value: 'r', histogram: true, nonNegative: true },
      { value: 'g' },
    ]
    const options = { requests, shapes, total: 18 }
    const whole = await calibrate(runtime, model, stream(0, 9), options)
    assert.ok(whole.get('c')?.margin && !whole.get('p')?.margin, 'the cases that matter are there')
    for (const cut of cuts) {
      const parts = []
      for (const [from, to] of cut) {
        const part = await calibratePart(runtime, model, stream(from, to), { ...options, firstBatch: from })
        const written = JSON.stringify([...part].map(([value, tally]) => [value, tally.toJson()]))
        const read: [string, unknown][] = JSON.parse(written)
        parts.push(new Map(read.map(([value, json]) => [value, TensorTally.fromJson(json)])))
      }
      assert.deepEqual(statisticsIn(mergeParts(parts)), whole, `cut ${JSON.stringify(cut)}`)
    }
  })

  it('of channels do too, although their sums round in any other order', async () => {
    const requests = [
      { value: 'c', axis: 1 },
      { value: 'r', axis: 1, nonNegative: true },
      { value: 'g', axis: 1 },
      { value: 'n', axis: 1 },
    ]
    const options = { requests, shapes, total: 18 }
    const whole = await channelStatistics(runtime, model, stream(0, 9), options)
    for (const cut of cuts) {
      const parts = []
      for (const [from, to] of cut) {
        const part = await channelPart(runtime, model, stream(from, to), options)
        const written = JSON.stringify([...part].map(([value, tally]) => [value, tally.toJson()]))
        const read: [string, unknown][] = JSON.parse(written)
        parts.push(new Map(read.map(([value, json]) => [value, ChannelTally.fromJson(json)])))
      }
      assert.deepEqual(statisticsIn(mergeParts(parts)), whole, `cut ${JSON.stringify(cut)}`)
    }
  })

  it('are refused where they are of different runs', async () => {
    const options = { requests: [{ value: 'g' }], shapes, total: 18 }
    const own = await calibratePart(runtime, model, stream(0, 1), options)
    const other = await calibratePart(runtime, model, stream(1, 2), { ...options, requests: [{ value: 'c' }] })
    const refused = (what: RegExp) => (error: unknown) => error instanceof InputError && what.test(error.message)
    assert.throws(() => mergeParts([own, other]), refused(/only some of them know the value "g"/))
    assert.throws(() => mergeParts([]), refused(/no part to merge/))
    const larger = new Map([['g', new TensorTally({ size: 8, nonNegative: false, histogram: false })]])
    assert.throws(() => mergeParts([own, larger]), refused(/8 elements do not merge with those of one with \d/))
    const wider = new Map([['g', new ChannelTally(5, false)]])
    assert.throws(() => mergeParts([new Map([['g', new ChannelTally(3, false)]]), wider]), refused(/of 5 channels/))
    assert.throws(() => TensorTally.fromJson({ size: 'x' }), refused(/cannot be read: size: /))
    assert.throws(() => ChannelTally.fromJson([]), refused(/cannot be read: they: /))
  })
})

describe('a tally of channels', () => {
  const rows = fc.array(fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 3, maxLength: 3 }), {
    minLength: 1,
    maxLength: 12,
  })
  it('has the mean of its rows, the root of their mean square difference, and their ends', () => {
    fc.assert(
      fc.property(rows, (list) => {
        const tally = new ChannelTally(3, false)
        for (const row of list) {
          const values = Float32Array.from(row)
          tally.take({ means: values, highs: values, lows: values })
        }
        const { mean, deviation, min, max } = tally.statistics()
        for (let c = 0; c < 3; c++) {
          const own = list.map((row) => row[c] ?? 0)
          const average = own.reduce((a, b) => a + b, 0) / own.length
          const size = Math.max(...own.map(Math.abs))
          assert.ok(Math.abs((mean[c] ?? 0) - average) <= 1e-12 * size)
          const squares = own.reduce((sum, x) => sum + (x - average) ** 2, 0) / own.length
          assert.ok(Math.abs((deviation[c] ?? 0) - Math.sqrt(squares)) <= 1e-6 * size)
          assert.deepEqual([(min?.[c] ?? 0) + 0, (max?.[c] ?? 0) + 0], [Math.min(...own) + 0, Math.max(...own) + 0])
        }
      }),
    )
  })
})
