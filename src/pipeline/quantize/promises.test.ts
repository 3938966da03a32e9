import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseRecipe } from '../../recipe/index.ts'
import { checkPromises, gainsNothing } from './promises.ts'

const recipe = (more: Record<string, unknown> = {}) =>
  parseRecipe('quantize', { model: 'm.onnx', data: 'images', ...more })
const latency = (before: number, after: number) => {
  const of = (medianMs: number) => ({ medianMs, spreadMs: 0.1 })
  return { before: of(before), after: of(after) } as unknown as Parameters<typeof gainsNothing>[2]
}
const size = (before: number, after: number) => ({ before, after })

describe('gainsNothing', () => {
  it('says so of what is neither smaller nor faster, with both figures and what to do instead', () => {
    for (const [bytes, ms] of [
      [size(230_000, 238_000), latency(105, 129)],
      [size(230_000, 229_000), latency(100, 98)],
    ] as const)
      assert.match(
        gainsNothing(recipe(), bytes, ms) ?? '',
        /gain nothing here \(230 kB → .*, 10\d\.00 ms → .*float model as it came.*--mode weights .*--force/,
      )
  })

  it('is silent about what is smaller, what is faster, what is too small to tell, and what was not timed', () => {
    for (const [own, bytes, ms] of [
      [{}, size(230_000, 120_000), latency(100, 180)],
      [{}, size(230_000, 400_000), latency(100, 50)],
      [{}, size(5_000, 6_000), latency(0.1, 0.2)],
      [{}, size(230_000, 400_000), undefined],
      [{ force: true }, size(230_000, 400_000), latency(100, 100)],
      [{ mode: 'weights' }, size(230_000, 400_000), latency(100, 100)],
    ] as const)
      assert.equal(gainsNothing(recipe(own), bytes, ms), undefined)
  })
})

describe('checkPromises', () => {
  const comparison = { samples: 8, sqnrDb: { boxes: 31, scores: 18.5 } }

  it('refuses a file that is larger and an output that is noisier than was asked for', () => {
    assert.throws(
      () => checkPromises(recipe({ maxBytes: 100 }), 101, comparison),
      /the file has 101 bytes, more than 100/,
    )
    assert.throws(
      () => checkPromises(recipe({ minSqnr: 20 }), 1, comparison),
      /output scores has 18\.50 dB .* less than 20/,
    )
  })

  it('lets through what keeps them, an exact match, and what was not compared', () => {
    checkPromises(recipe({ maxBytes: 101, minSqnr: 18.5 }), 101, comparison)
    checkPromises(recipe({ minSqnr: 200 }), 1, { samples: 8, sqnrDb: { y: null } })
    checkPromises(recipe({ minSqnr: 20 }), 1, undefined)
  })
})
