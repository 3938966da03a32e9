import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomStream } from '../math/index.ts'
import type { Values } from '../runtime/index.ts'
import { SqnrSpread } from './sqnr-spread.ts'

const width = 10
const values = (data: Float32Array): Values => ({
  y: { dtype: 'float32', dims: [data.length / width, width], data },
})

/** Samples of different loudness, in batches, with noise of a tenth. */
function spreadOf(seed: number, samples: number, size: number): SqnrSpread {
  const { normal, uniform } = randomStream(seed, 'sqnr')
  const spread = new SqnrSpread()
  for (let done = 0; done < samples; done += size) {
    const ids = Array.from({ length: size }, (_, index) => String(done + index))
    const loudness = ids.map(() => uniform(0.5, 2))
    const before = Float32Array.from(
      { length: size * width },
      (_, i) => normal() * (loudness[Math.floor(i / width)] ?? 1),
    )
    const after = before.map((value) => value + 0.1 * normal())
    spread.add(values(before), values(after), { ids, size, inputs: {} })
  }
  return spread
}

describe('the interval of an SQNR', () => {
  it('covers the truth in about 95 % of trials', () => {
    // Mean square of a loudness of 0.5 to 2 is 1.75.
    const truth = 10 * Math.log10(1.75 / 0.01)
    const covered = Array.from({ length: 200 }, (_, seed) => spreadOf(seed, 48, 8).interval('y')).filter(
      (interval) => interval && interval.low < truth && truth < interval.high,
    )
    assert.ok(covered.length >= 180 && covered.length < 200, `${covered.length} of 200`)
  })

  it('does not depend on how samples are joined', () => {
    const { normal } = randomStream(0, 'joined')
    const before = Float32Array.from({ length: 32 * width }, normal)
    const after = before.map((value) => value + 0.1 * normal())
    const intervals = [1, 8, 32].map((size) => {
      const spread = new SqnrSpread()
      for (let at = 0; at < before.length; at += size * width) {
        const ids = Array.from({ length: size }, String)
        const [a, b] = [before, after].map((all) => values(all.subarray(at, at + size * width)))
        spread.add(a ?? {}, b ?? {}, { ids, size, inputs: {} })
      }
      return spread.interval('y')
    })
    assert.ok(intervals[0])
    assert.deepEqual(intervals[1], intervals[0])
    assert.deepEqual(intervals[2], intervals[0])
  })

  it('is unknown of few samples, of an exact match, and of an output that there is not', () => {
    assert.equal(spreadOf(0, 4, 4).interval('y'), undefined)
    assert.equal(spreadOf(0, 16, 4).interval('other'), undefined)
    const exact = new SqnrSpread()
    const ids = Array.from({ length: 16 }, (_, index) => String(index))
    const same = values(new Float32Array(16 * width).fill(1))
    exact.add(same, same, { ids, size: 16, inputs: {} })
    assert.equal(exact.interval('y'), undefined)
  })
})
