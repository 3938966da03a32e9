import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import { rootModel } from '../../test/support/root-model.ts'
import type { Batch } from '../data/index.ts'
import { observeShapes } from '../runtime/index.ts'
import { calibrate } from './pass.ts'

const batch = (ids: readonly string[], value: (index: number) => number): Batch => ({
  ids,
  size: ids.length,
  inputs: {
    x: {
      dtype: 'float32',
      dims: [ids.length, 2, 3, 3],
      data: Float32Array.from({ length: 18 * ids.length }, (_, i) => value(i)),
    },
  },
})

async function* stream(...list: Batch[]): AsyncGenerator<Batch> {
  yield* list
}

describe('the calibration pass', async () => {
  const runtime = await testRuntime()
  const float = rootModel(2)
  const shapes = await observeShapes(runtime, float, batch(['a'], () => 1).inputs)
  const requests = [
    { value: 'm', histogram: true },
    { value: 's', nonNegative: true },
  ]
  const options = { requests, shapes, total: 2 }

  it('finds the range over all samples, whatever the batches', async () => {
    const one = await calibrate(runtime, float, stream(batch(['a', 'b'], (i) => i)), options)
    const two = await calibrate(
      runtime,
      float,
      stream(
        batch(['a'], (i) => i),
        batch(['b'], (i) => i + 18),
      ),
      options,
    )
    for (const seen of [one, two]) {
      assert.deepEqual([seen.get('m')?.min, seen.get('m')?.max], [0, 70])
      assert.ok((seen.get('m')?.histogram?.count ?? 0) > 0)
      assert.equal(seen.get('s')?.min, 0)
    }
  })

  it('names the tensor and the sample that is NaN, although the maximum hides it', async () => {
    const samples = stream(batch(['good', 'bad'], (i) => (i === 20 ? -1 : 1)))
    await assert.rejects(calibrate(runtime, float, samples, options), /tensor "s" is NaN for sample bad;/)
  })

  it('finds NaN behind operators that only add and multiply, from a value that overflows', async () => {
    const samples = stream(batch(['good', 'bad'], (i) => (i < 18 ? 1 : 3e38)))
    const observed = [{ value: 'x' }, { value: 'm' }, { value: 'm2' }]
    await assert.rejects(
      calibrate(runtime, float, samples, { ...options, requests: observed }),
      /tensor "m2?" is infinite for sample bad;/,
    )
    const input = stream(batch(['good', 'bad'], (i) => (i === 20 ? Number.NaN : 1)))
    await assert.rejects(
      calibrate(runtime, float, input, { ...options, requests: observed }),
      /tensor "x" is NaN for sample bad;/,
    )
  })

  it('draws the histogram of a large map from a lattice of its positions, all channels, never too few', async () => {
    const large = rootModel(2, [1, 3, 40, 56])
    const sample = (id: string): Batch => ({
      ids: [id],
      size: 1,
      inputs: {
        x: {
          dtype: 'float32',
          dims: [1, 3, 40, 56],
          data: Float32Array.from({ length: 3 * 40 * 56 }, (_, i) => Math.floor(i / (40 * 56)) + 1 + (i % 56) / 100),
        },
      },
    })
    const seenShapes = await observeShapes(runtime, large, sample('a').inputs)
    const watched = [{ value: 'm', histogram: true }]
    const seen = await calibrate(runtime, large, stream(sample('a')), {
      requests: watched,
      shapes: seenShapes,
      total: 1,
    })
    const histogram = seen.get('m')?.histogram
    assert.ok(histogram)
    assert.ok(histogram.count >= 300 && histogram.count <= 2000, `${histogram.count}`)
    // Channel c holds 2 (c + 1) to 2 (c + 1) + 1.1: a third of the elements each.
    const mean = histogram.bins.reduce((sum, counted, j) => sum + counted * (histogram.first + j + 0.5), 0)
    assert.ok(Math.abs((mean * histogram.width) / histogram.count - 4.55) < 0.05, `${mean}`)
    assert.ok(histogram.min >= 2 && histogram.max <= 7.1)
  })

  it('refuses an empty stream', async () => {
    await assert.rejects(calibrate(runtime, float, stream(), options), /no samples to calibrate on/)
  })
})
