import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { samplesOf, smallSearch } from '../../../test/support/small-search.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import type { Candidate } from './candidate.ts'
import { settle } from './settle.ts'
import type { SearchContext } from './technique.ts'

const model = tinyModel(
  'x[N,3,8,8] -> Conv 3x3 3->6 pads=1,1,1,1 -> Relu -> Conv 3x3 6->6 -> Relu -> Conv 3x3 6->4 -> y',
)
/** Those that judge are the larger ones. */
const samples = () => samplesOf(model, 16, (index, i) => (index % 4 === 3 ? 2 : 1) * Math.sin(1 + 3 * i + 17 * index))

const highs = async (candidate: Candidate) =>
  [...(await candidate.built()).plan.activations.values()].map(({ high }) => high)

/** The context with a judge that gives one score after the other. */
function judged(context: SearchContext, dbs: readonly number[]): SearchContext {
  let asked = 0
  const judge = { score: async () => ({ db: dbs[Math.min(asked++, dbs.length - 1)] }) }
  return new Proxy(context, {
    get: (target, key) => {
      if (key === 'judge') return judge
      const value = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

describe('the end of a search', () => {
  it('widens ranges by the samples that judged', async () => {
    const { context, naive } = await smallSearch(model, { samples: samples() })
    const [fitted, all] = [await highs(naive), await highs(await settle(naive, context))]
    assert.ok(
      all.every((high, index) => high >= (fitted[index] ?? 0) - 1e-6) &&
        all.some((high, i) => high > 1.2 * (fitted[i] ?? 0)),
      `${fitted} to ${all}`,
    )
    assert.deepEqual(context.notes, [])
  })

  it('keeps the fitted ranges where wider ones cost the judge more than they may, and says so', async () => {
    const { context, naive } = await smallSearch(model, { samples: samples() })
    const score = await naive.score()
    const before = { ...naive, score: async () => ({ ...score, db: 30 }) }
    // All ranges wide: 27 dB; some of them: worse too.
    const settled = await settle(before, judged(context, [27, 20]))
    assert.deepEqual(await highs(settled), await highs(naive))
    assert.match(
      context.notes.join(),
      /^\d+ of \d+ ranges are those of the samples that fit: as wide as all samples need, they would cost 3\.0 dB$/,
    )
  })

  it('keeps those wider ranges that do no harm', async () => {
    const { context, naive } = await smallSearch(model, { samples: samples() })
    const score = await naive.score()
    const before = { ...naive, score: async () => ({ ...score, db: 30 }) }
    const settled = await settle(before, judged(context, [27, 31]))
    const [fitted, now] = [await highs(naive), await highs(settled)]
    assert.ok(
      now.every((high, index) => high >= (fitted[index] ?? 0) - 1e-6),
      `${fitted} to ${now}`,
    )
    const [, kept = '', of = ''] = /^(\d+) of (\d+) ranges/.exec(context.notes.join()) ?? []
    assert.ok(Number(kept) <= Number(of), context.notes.join())
  })

  it('takes all ranges where they cost no more than half a decibel', async () => {
    const { context, naive } = await smallSearch(model, { samples: samples() })
    const score = await naive.score()
    const before = { ...naive, score: async () => ({ ...score, db: 30 }) }
    const settled = await settle(before, judged(context, [29.6]))
    assert.notDeepEqual(await highs(settled), await highs(naive))
    assert.deepEqual(context.notes, [])
  })

  it('changes nothing where no sample was held back and nothing corrected', async () => {
    const { context, naive } = await smallSearch(model, { samples: samplesOf(model, 1) })
    assert.ok((await settle(naive, context)) === naive, 'another candidate')
  })
})
