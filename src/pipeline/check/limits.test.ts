import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { pairOf, topK } from '../../metrics/index.ts'
import { parseRecipe } from '../../recipe/index.ts'
import { type Checked, limitsOf, outcomeOf, sentenceOf } from './limits.ts'
import { SampledDrop } from './sampled-drop.ts'

const recipe = (limits: Record<string, unknown>) =>
  parseRecipe('check', { model: 'a.onnx', other: 'b.onnx', data: 'images', ...limits })
const median = (medianMs: number) => ({ medianMs, lowMs: 0.99 * medianMs, highMs: 1.01 * medianMs, runs: 100 })
const base: Checked = {
  comparison: { samples: 400, agreement: 0.98, rows: 400, sqnrDb: { boxes: 31, scores: 20.5 } },
  sizeBytes: { before: 1000, after: 400 },
  latency: { before: median(10), after: median(8) },
  spread: { interval: (name) => (name === 'scores' ? { low: 20, high: 21 } : undefined) },
}

/** What becomes of one limit. */
function held(limits: Record<string, unknown>, checked: Partial<Checked> = {}) {
  const [limit, ...others] = limitsOf(recipe(limits), { ...base, ...checked })
  assert.ok(limit && others.length === 0)
  return limit
}

/** Scores of samples, as a metric gives them. */
function scored(before: readonly unknown[], after: readonly unknown[], maxDrop: number): Partial<Checked> {
  const drop = new SampledDrop(maxDrop)
  drop.add({ scored: { metric: topK(1), before, after } })
  const metric = pairOf(topK(1), before, after)
  return { comparison: { ...base.comparison, ...(metric ? { metric } : {}) }, drop: drop.test }
}

const times = (count: number, score: number) => Array.from({ length: count }, () => [score])

describe('limits', () => {
  it('hold, are broken, or are undecided where the interval lies on both sides', () => {
    for (const [limits, kept] of [
      [{ minAgreement: 0.95 }, true],
      [{ minAgreement: 0.97 }, 'undecided'],
      [{ minAgreement: 0.995 }, false],
      [{ minSqnr: 20 }, true],
      [{ minSqnr: 20.4 }, 'undecided'],
      [{ minSqnr: 21.1 }, false],
      [{ maxBytes: 400 }, true],
      [{ maxBytes: 399 }, false],
      [{ maxSize: 0.4 }, true],
      [{ maxSize: 0.3 }, false],
      [{ maxLatency: 0.9 }, true],
      [{ maxLatency: 0.801 }, 'undecided'],
      [{ maxLatency: 0.7 }, false],
    ] as const)
      assert.equal(held(limits).kept, kept, JSON.stringify(limits))
  })

  it('say what was measured, what is allowed, and how many more samples would tell', () => {
    assert.equal(sentenceOf(held({ maxBytes: 399 })), 'the file is 400 bytes, allowed is at most 399 bytes: broken')
    const open = held({ minAgreement: 0.97 })
    assert.match(
      sentenceOf(open),
      /^agreement is 98\.0 % \(95 % 96\.1 % to 99\.0 %\) over 400 samples, allowed is at least 97\.0 %: undecided; about [\d,]+ more/,
    )
    // With as many of the same kind it is decided.
    const rows = 400 + (open.more ?? 0)
    assert.equal(held({ minAgreement: 0.97 }, { comparison: { ...base.comparison, rows } }).kept, true)
  })

  it('on an SQNR are about the worst output, and an exact match keeps them all', () => {
    assert.match(held({ minSqnr: 30 }).words.subject, /scores/)
    const exact = held({ minSqnr: 1000 }, { comparison: { samples: 4, sqnrDb: { y: null } } })
    assert.deepEqual([exact.value, exact.kept], [null, true])
    const dead = held({ minSqnr: -10 }, { comparison: { samples: 4, sqnrDb: { y: Number.NaN } } })
    assert.equal(dead.kept, false)
  })

  it('on an SQNR go by the value where few samples have no interval', () => {
    const few = { samples: 4, sqnrDb: { boxes: 31 } }
    assert.equal(held({ minSqnr: 30.9 }, { comparison: few }).kept, true)
    assert.equal(held({ minSqnr: 31.1 }, { comparison: few }).kept, false)
  })

  it('on a drop go by the samples on which only one model is right', () => {
    const same = held({ maxDrop: 0.05 }, scored(times(300, 1), times(300, 1), 0.05))
    assert.deepEqual([same.kept, same.value, same.only], [true, 0, { before: 0, after: 0 }])
    const worse = held({ maxDrop: 0.05 }, scored(times(300, 1), [...times(60, 0), ...times(240, 1)], 0.05))
    assert.deepEqual([worse.kept, worse.value, worse.only], [false, 0.2, { before: 60, after: 0 }])
    const few = held({ maxDrop: 0.05 }, scored(times(20, 1), times(20, 1), 0.05))
    assert.equal(few.kept, 'undecided')
    assert.ok((few.more ?? 0) > 40 && (few.more ?? 0) < 100, `${few.more}`)
  })

  it('on a drop go by the paired interval where samples are sequences', () => {
    const [before, after] = [0, 1].map((shift) => Array.from({ length: 40 }, (_, i) => [1, (i + shift) % 2, 1]))
    const limit = held({ maxDrop: 0.5 }, scored(before ?? [], after ?? [], 0.5))
    assert.deepEqual([limit.kept, limit.only], [true, undefined])
    assert.equal(held({ maxDrop: 0.05 }, scored(before ?? [], after ?? [], 0.05)).kept, 'undecided')
  })

  it('that nothing can be held to are refused with what to do', () => {
    assert.throws(() => held({ maxDrop: 0.01 }), /--max-drop needs a metric/)
    const maps = { samples: 4, sqnrDb: { y: 3 } }
    assert.throws(() => held({ minAgreement: 0.9 }, { comparison: maps }), /needs classifiers.*--min-sqnr/)
    assert.throws(() => held({ minSqnr: 9 }, { comparison: { samples: 4, sqnrDb: {} } }), /needs an output of floats/)
  })

  it('together are broken by one, and undecided by one', () => {
    const outcome = (limits: Record<string, unknown>) => outcomeOf(limitsOf(recipe(limits), base))
    assert.equal(outcome({ minSqnr: 20, maxBytes: 500 }), true)
    assert.equal(outcome({ minSqnr: 20.4, maxBytes: 500 }), 'undecided')
    assert.equal(outcome({ minSqnr: 20.4, maxBytes: 300 }), false)
    assert.equal(outcome({}), true)
  })
})
