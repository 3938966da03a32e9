import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseRecipe } from '../../recipe/index.ts'
import { brokenPromise, checkSize, gainsFor, gainsNothing } from './promises.ts'

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

  it('says so of what is smaller and slower, where speed is preferred', () => {
    const fast = recipe({ prefer: 'speed' })
    assert.match(gainsNothing(fast, size(230_000, 60_000), latency(100, 101)) ?? '', /gain no time here .*100\.00 ms/)
    assert.equal(gainsNothing(fast, size(230_000, 60_000), latency(100, 99)), undefined)
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

describe('promises', () => {
  const comparison = { samples: 8, sqnrDb: { boxes: 31, scores: 18.5 } }

  it('refuse a file that is larger than was asked for', () => {
    assert.throws(() => checkSize(recipe({ maxBytes: 100 }), 101), /the file has 101 bytes, more than 100/)
    checkSize(recipe({ maxBytes: 101 }), 101)
    checkSize(recipe(), 1e9)
  })

  it('are broken by an output that is noisier, and name it', () => {
    assert.match(
      brokenPromise(recipe({ minSqnr: 20 }), comparison) ?? '',
      /output scores has 18\.50 dB .* less than 20/,
    )
    assert.equal(brokenPromise(recipe({ minSqnr: 18.5 }), comparison), undefined)
    assert.equal(brokenPromise(recipe({ minSqnr: 200 }), { samples: 8, sqnrDb: { y: null } }), undefined)
    assert.equal(brokenPromise(recipe({ minSqnr: 20 }), undefined), undefined)
  })

  it('are broken by choices that differ, or where nothing is chosen', () => {
    const choices = { samples: 200, rows: 200, agreement: 0.97, sqnrDb: { y: 30 } }
    assert.match(
      brokenPromise(recipe({ minAgreement: 0.98 }), choices) ?? '',
      /97\.00 % of 200 choices .* less than 98 %/,
    )
    assert.equal(brokenPromise(recipe({ minAgreement: 0.97 }), choices), undefined)
    assert.match(brokenPromise(recipe({ minAgreement: 0.5 }), comparison) ?? '', /no choice: promise --min-sqnr/)
  })

  it('are broken by a metric that drops, or may drop, by more than is allowed', () => {
    const metric = (difference: number, low: number, high: number, more = {}) => {
      const interval = { low, high }
      const intervals = { before: interval, after: interval }
      return {
        ...comparison,
        metric: { name: 'top1', before: 0.9, after: 0.9, difference, interval, intervals, samples: 500, ...more },
      }
    }
    const broken = (...given: Parameters<typeof metric>) => brokenPromise(recipe({ maxDrop: 0.01 }), metric(...given))
    assert.equal(broken(-0.002, -0.008, 0.004), undefined)
    assert.match(
      broken(-0.002, -0.012, 0.008) ?? '',
      /up to 0\.0120: more than 0\.01 cannot be ruled out; score more samples/,
    )
    assert.match(broken(-0.03, -0.05, -0.01) ?? '', /drops by 0\.0300 on 500 samples.*, more than 0\.01: ask for less/)
    assert.equal(broken(0.002, -0.004, 0.008, { lowerIsBetter: true }), undefined, 'lower is better')
    assert.match(broken(0.02, 0.01, 0.03, { lowerIsBetter: true }) ?? '', /drops by 0\.0200/)
    assert.match(brokenPromise(recipe({ maxDrop: 0.01 }), comparison) ?? '', /no labels/)
  })

  it('are aimed at from round to round higher, by what is lacking where that is known', () => {
    const of = (more: Record<string, unknown>) => gainsFor(recipe(more), comparison)
    for (const gains of [of({ minSqnr: 25 }), of({ maxDrop: 0.01 }), of({ minAgreement: 0.9, minSqnr: 12 })]) {
      assert.ok(gains.length > 2)
      for (const [i, gain] of gains.entries()) assert.ok(gain > (gains[i - 1] ?? 0), gains.join())
    }
    const [first = 0] = of({ minSqnr: 25 })
    assert.ok(first > 25 - 18.5 && first < 25 - 18.5 + 1, 'a little more than is lacking')
    assert.deepEqual(of({}), [])
  })
})
