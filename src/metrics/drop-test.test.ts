import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomStream } from '../math/index.ts'
import { DropTest } from './drop-test.ts'

type Rates = readonly [onlyFirst: number, onlySecond: number]

/** A stream of drops: 1 where only the first model is right, −1 where only the second is. */
function drops(seed: number, onlyFirst: number, onlySecond: number): () => number {
  const { next } = randomStream(seed, 'drops')
  return () => {
    const at = next()
    return at < onlyFirst ? 1 : at < onlyFirst + onlySecond ? -1 : 0
  }
}

function ran(test: DropTest, next: () => number, most: number): DropTest {
  while (test.samples < most && test.add(next()) === 'undecided');
  return test
}

const runs = (count: number, run: (seed: number) => boolean) =>
  Array.from({ length: count }, (_, seed) => run(seed)).filter(Boolean).length / count

describe('the test of a drop', () => {
  it('is wrong in less than 5 % of runs, although it is asked after every sample', () => {
    // The true drop is the limit itself, the hardest case; either verdict may have 2.5 %, and 200 runs scatter by 1.1 %.
    const hardest: readonly Rates[] = [
      [0.06, 0.04],
      [0.3, 0.28],
    ]
    for (const rates of hardest) {
      const verdicts = Array.from(
        { length: 200 },
        (_, seed) => ran(new DropTest(0.02), drops(seed, ...rates), 400).verdict,
      )
      for (const wrong of ['below', 'above'])
        assert.ok(verdicts.filter((verdict) => verdict === wrong).length <= 0.05 * 200, `${wrong}, ${rates}`)
    }
    // Watching a fixed 95 % interval until it excludes the limit would be wrong here far more often.
    assert.ok(runs(200, (seed) => peeking(drops(seed, 0.3, 0.28), 0.02, 400)) > 0.1)
  })

  it('finds what is so: a model that lost nothing, one that lost much', () => {
    const found = (verdict: string, rates: Rates) =>
      runs(40, (seed) => ran(new DropTest(0.02), drops(seed, ...rates), 4000).verdict === verdict)
    assert.ok(found('below', [0.01, 0.01]) > 0.95)
    assert.ok(found('above', [0.1, 0.02]) > 0.95)
  })

  it('decides on equal models with the fewest samples that can', () => {
    const test = ran(new DropTest(0.01), () => 0, 10_000)
    assert.equal(test.verdict, 'below')
    // ln 40 / −ln 0.99 = 367 if all stake lay on the largest bet.
    assert.ok(test.samples >= 367 && test.samples < 450, `${test.samples}`)
    const { low, high } = test.interval()
    assert.ok(high < 0.01 && low > -0.01 && low < 0 && high > 0, `${low} to ${high}`)
  })

  it('covers the true drop at every sample at once', () => {
    const covered = runs(60, (seed) => {
      const [test, next] = [new DropTest(1), drops(seed, 0.2, 0.1)]
      for (let i = 1; i <= 400; i++) {
        test.add(next())
        const { low, high } = i % 20 === 0 ? test.interval() : { low: -1, high: 1 }
        if (low > 0.1 || high < 0.1) return false
      }
      return true
    })
    assert.ok(covered >= 0.9, `${covered}`)
  })

  it('depends on how often each drop was seen, not on the order', () => {
    const seen = [1, 0, 0, -1, 0, 0.25, 0, -0.5, 0, 1]
    const [a, b] = [new DropTest(0.5), new DropTest(0.5)]
    for (const drop of seen) a.add(drop)
    for (const drop of seen.toReversed()) b.add(drop)
    for (const end of ['low', 'high'] as const) assert.ok(Math.abs(a.interval()[end] - b.interval()[end]) < 1e-9)
  })

  it('says how many more samples it needs, and is about right', () => {
    const next = drops(3, 0.02, 0.02)
    const test = ran(new DropTest(0.05), () => next(), 60)
    const more = test.more() ?? 0
    assert.ok(more > 20 && more < 1000, `${more}`)
    const all = ran(test, () => next(), 5000)
    assert.equal(all.verdict, 'below')
    assert.ok(all.samples < 60 + 4 * more && all.samples > 60 + more / 4, `${all.samples}, foretold ${60 + more}`)
    assert.equal(all.more(), 0)
  })

  it('needs endless samples where the drop is the limit, and none where the limit allows everything', () => {
    const test = new DropTest(0.5)
    for (const drop of [1, 0]) test.add(drop)
    assert.equal(test.more(), Number.POSITIVE_INFINITY)
    assert.equal(new DropTest(1).verdict, 'below')
    assert.deepEqual([new DropTest(0.1).more(), new DropTest(0.1).verdict], [undefined, 'undecided'])
  })
})

/** Does a 95 % interval of the usual kind, looked at after every tenth sample, exclude the truth at some time? */
function peeking(next: () => number, truth: number, most: number): boolean {
  let [sum, squares] = [0, 0]
  for (let n = 1; n <= most; n++) {
    const drop = next()
    sum += drop
    squares += drop * drop
    const mean = sum / n
    if (n % 10 === 0 && n >= 100 && Math.abs(mean - truth) > 1.96 * Math.sqrt((squares / n - mean * mean) / n))
      return true
  }
  return false
}
