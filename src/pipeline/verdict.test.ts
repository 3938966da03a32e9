import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Comparison } from '../metrics/index.ts'
import type { Latency } from '../runtime/index.ts'
import { type Measured, makeVerdict } from './verdict.ts'

const time = (medianMs: number) => ({ medianMs, lowMs: medianMs, highMs: medianMs }) as Latency
const comparison = (sqnrDb: Comparison['sqnrDb'], more: Partial<Comparison> = {}): Comparison => ({
  samples: 8,
  sqnrDb,
  ...more,
})
const verdict = (more: Partial<Measured> = {}) =>
  makeVerdict({
    sizeBytes: { before: 4000, after: 1000 },
    comparison: comparison({ y: 30 }),
    latency: { before: time(2), after: time(1) },
    layerCounts: { total: 2, integer: 2 },
    random: false,
    ...more,
  })
const answers = (given: ReturnType<typeof verdict>) =>
  Object.fromEntries(given.points.map(({ question, answer }) => [question, answer]))

describe('the verdict', () => {
  it('is good when the file is smaller, faster and as accurate', () => {
    assert.deepEqual(answers(verdict()), { smaller: 'yes', faster: 'yes', 'as accurate': 'yes' })
    assert.equal(verdict().tone, 'good')
    assert.deepEqual(verdict().advice, [])
  })

  it('looks at the worst output, and names it', () => {
    const two = verdict({ comparison: comparison({ boxes: 35, classes: 12 }) })
    assert.equal(answers(two)['as accurate'], 'unclear')
    assert.match(two.points[2]?.text ?? '', /SQNR 12\.0 dB at "classes", the worst output/)
    const dead = verdict({ comparison: comparison({ boxes: 35, classes: -6 }) })
    assert.equal(dead.tone, 'dead')
    assert.match(dead.headline, /−6\.0 dB at "classes"/)
  })

  it('looks at groups of columns of one output', () => {
    const columns = {
      y: [
        { axis: 1, from: 0, to: 4, sqnrDb: 30 },
        { axis: 1, from: 4, to: 22, sqnrDb: 3 },
      ],
    }
    assert.match(verdict({ comparison: comparison({ y: 28 }, { columns }) }).headline, /3\.0 dB at "y, columns 4–21"/)
  })

  it('does not let labels of one output hide a dead one', () => {
    const metric = { name: 'top1', before: 0.9, after: 0.9, difference: 0, samples: 100 }
    const interval = { low: -0.01, high: 0.01 }
    const scored = { ...metric, interval, intervals: { before: interval, after: interval } }
    const given = verdict({ comparison: comparison({ a: 30, b: 1 }, { agreement: 1, metric: scored }) })
    assert.equal(answers(given)['as accurate'], 'no')
    assert.equal(given.tone, 'dead')
  })

  it('judges embeddings by the interval of their cosine, and is never unclear about them', () => {
    const judged = (low: number, value: number, db = 15) => {
      const pooled = { name: 'cosine', unit: '', value, samples: 64, interval: { low, high: 1 } }
      return verdict({ comparison: comparison({ y: db }, { similarity: { pooled } }) })
    }
    assert.equal(answers(judged(0.9951, 0.997))['as accurate'], 'yes')
    assert.equal(answers(judged(0.985, 0.995))['as accurate'], 'no')
    assert.match(
      judged(0.991, 0.997).points[2]?.text ?? '',
      /^cosine 0\.9970 \(95 % 0\.9910 to 1\.0000\), SQNR 15\.0 dB$/,
    )
    assert.equal(judged(0.995, 0.999, 2).tone, 'dead')
  })

  it('takes a metric that is better where it is lower for what it is', () => {
    const spread = { low: 0.4, high: 0.6 }
    const metric = {
      name: 'perplexity',
      unit: '',
      lowerIsBetter: true as const,
      before: 20,
      after: 20.5,
      difference: 0.5,
    }
    const scored = { ...metric, interval: spread, intervals: { before: spread, after: spread }, samples: 100 }
    const judged = (interval: { low: number; high: number }) =>
      answers(verdict({ comparison: comparison({ y: 30 }, { metric: { ...scored, interval } }) }))['as accurate']
    assert.deepEqual([{ low: -0.2, high: 0.1 }, { low: -0.2, high: 0.9 }, spread].map(judged), ['yes', 'unclear', 'no'])
  })

  it('does not call a file smaller that is 99 % or more of the original', () => {
    const same = verdict({ sizeBytes: { before: 1000, after: 995 } })
    assert.equal(answers(same).smaller, 'no')
    assert.match(same.points[0]?.text ?? '', /the same size/)
    assert.equal(answers(verdict({ sizeBytes: { before: 1000, after: 985 } })).smaller, 'yes')
  })

  it('calls an untouched model neither faster nor quantised, whatever the clock says', () => {
    const given = verdict({
      untouched: true,
      layerCounts: { total: 0, integer: 0 },
      sizeBytes: { before: 1000, after: 1000 },
    })
    assert.match(given.headline, /^nothing was quantised: no layer/)
    assert.equal(answers(given).faster, 'unclear')
    assert.equal(given.tone, 'mixed')
  })

  it('says of a model that stayed float for its speed that integers make it no faster', () => {
    const given = verdict({ untouched: true, slower: true, sizeBytes: { before: 1000, after: 1000 } })
    assert.match(given.headline, /no part in integers makes the model faster here/)
    assert.match(given.advice.join(), /--prefer size/)
  })

  it('knows a dead model from one sample, by its noise and not by its arg-max', () => {
    const look = (sqnr: number, agreement: number) =>
      makeVerdict({
        sizeBytes: { before: 4000, after: 1000 },
        random: false,
        glance: comparison({ y: sqnr }, { samples: 1, agreement }),
      })
    assert.equal(look(2, 1).tone, 'dead')
    assert.match(look(2, 1).headline, /on one sample/)
    assert.notEqual(look(25, 0).tone, 'dead')
  })

  it('advises weights alone by what weights alone can do', () => {
    const given = { comparison: comparison({ y: 12 }), layerCounts: { total: 2, integer: 0 } }
    const advice = (bits: number, block: number) =>
      verdict({ ...given, weightsOnly: { bits, block }, hurt: ['fc'] }).advice
    assert.deepEqual(advice(4, 32), [
      'if it has to be more accurate: try --block 16 or --keep-8bit fc, or --weight-bits 8',
    ])
    assert.deepEqual(advice(4, 16), ['if it has to be more accurate: try --weight-bits 8'])
    assert.match(advice(8, 32).join(), /--exclude fc/)
  })

  it('gives advice that fits the case', () => {
    const larger = verdict({ sizeBytes: { before: 1000, after: 1200 }, latency: { before: time(1), after: time(2) } })
    assert.deepEqual(larger.advice, ['the file is neither smaller nor faster: keep the float model'])
    const slower = verdict({ latency: { before: time(1), after: time(2) } })
    assert.match(slower.advice.join(), /take it for its size/)
    const hurt = verdict({ comparison: comparison({ y: 2 }), hurt: ['head/conv 1', "it's"] })
    assert.match(hurt.advice[0] ?? '', /--exclude 'head\/conv 1' --exclude 'it'\\''s'$/)
    const high = verdict({ comparison: comparison({ y: 12 }), hurt: ['fc'], effort: 'high' })
    assert.equal(high.advice[0], 'if it has to be more accurate: keep the layers that hurt most in float: --exclude fc')
    const coarse = verdict({ comparison: comparison({ y: 2 }), perTensor: true })
    assert.match(coarse.advice[0] ?? '', /--weights per-channel/)
  })
})
