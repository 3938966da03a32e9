import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Form, harmless } from './harmless.ts'
import { gain, Rows } from './rows.ts'

/** Members by the noise that the change of each adds; noise of a block is their sum. */
function measuring(noise: readonly number[]) {
  const asked: string[] = []
  return {
    asked,
    noiseOf: async (some: readonly number[], form: Form) => {
      asked.push(`${form} ${some}`)
      return form === 'before' ? 0 : some.reduce((sum, member) => sum + (noise[member] ?? 0), 0)
    },
  }
}
const members = (noise: readonly unknown[]) => noise.map((_, i) => i)

describe('members that do no harm', () => {
  it('are all of them after two measurements a block where no block loses', async () => {
    const { noiseOf, asked } = measuring([0, -1, 0.5, -1])
    assert.deepEqual(await harmless([0, 1, 2, 3], noiseOf, { blocks: 2, most: 99 }), [0, 1, 2, 3])
    assert.deepEqual(asked, ['before 0,1', 'changed 0,1', 'before 2,3', 'changed 2,3'])
  })

  it('are found one by one where harm is alone in its block', async () => {
    const { noiseOf } = measuring([0, 0, 0, 5, 0, 0, 0, 0])
    const kept = await harmless([0, 1, 2, 3, 4, 5, 6, 7], noiseOf, { blocks: 1, most: 99 })
    assert.deepEqual(kept.sort(), [0, 1, 2, 4, 5, 6, 7])
  })

  it('are those that were found when the measurements are used up', async () => {
    const { noiseOf, asked } = measuring([0, 0, 0, 5])
    assert.deepEqual(await harmless([0, 1, 2, 3], noiseOf, { blocks: 1, most: 6 }), [0, 1])
    assert.equal(asked.length, 6)
  })

  it('are none of nothing', async () => {
    assert.deepEqual(await harmless([], measuring([]).noiseOf, { blocks: 4, most: 9 }), [])
  })

  it('never harm together, are never more than were measured, and all of them where each is harmless', async () => {
    const noises = fc.array(fc.constantFrom(-1, 0, 0, 2, 3), { maxLength: 24 })
    await fc.assert(
      fc.asyncProperty(
        noises,
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 12, max: 80 }),
        async (noise, blocks, most) => {
          const { noiseOf, asked } = measuring(noise)
          const kept = await harmless(members(noise), noiseOf, { blocks, most })
          assert.equal(new Set(kept).size, kept.length)
          assert.ok(kept.reduce((sum, member) => sum + (noise[member] ?? 0), 0) <= 0)
          assert.ok(asked.length <= Math.max(most, 2 * blocks), `${asked.length} of ${most}`)
          if (noise.every((each) => each <= 0)) assert.equal(kept.length, noise.length)
          // Without a limit, nothing but single members that harm is left out.
          const all = await harmless(members(noise), measuring(noise).noiseOf, { blocks, most: 1000 })
          for (const [member, each] of noise.entries()) if (!all.includes(member)) assert.ok(each > 0)
        },
      ),
      { numRuns: 60 },
    )
  })
})

describe('what was tried, in rows', () => {
  const score = { db: 20, comparison: { samples: 4, sqnrDb: { y: 21.5, z: 3 }, agreement: 0.75 } }

  it('has the first output, what was measured, and no key for what was not', () => {
    const rows = new Rows()
    rows.start()
    rows.add('naive', true, score, 'why')
    const [{ seconds = -1, ...row } = { name: '' }] = rows.all
    assert.deepEqual(row, { name: 'naive', kept: true, reason: 'why', sqnrDb: 21.5, agreement: 0.75 })
    assert.ok(seconds >= 0 && seconds < 60)
  })

  it('has the metric after, with its interval and the paired difference', () => {
    const rows = new Rows()
    const interval = { low: -0.1, high: 0.05 }
    const metric = {
      ...{ name: 'top1', before: 0.6, after: 0.5, difference: -0.1, interval, samples: 9 },
      intervals: { before: { low: 0.5, high: 0.7 }, after: { low: 0.4, high: 0.6 } },
    }
    rows.add('naive', true, { ...score, comparison: { ...score.comparison, metric } }, '')
    assert.deepEqual(rows.all[0]?.metric, {
      ...{ name: 'top1', value: 0.5, samples: 9, interval: { low: 0.4, high: 0.6 } },
      difference: { value: -0.1, interval },
    })
  })

  it('say what was left out, and are revised by name', () => {
    const rows = new Rows()
    rows.add('equalised', false, score, 'no gain')
    rows.leave('rounded', 'no samples')
    assert.deepEqual(
      rows.all.map(({ name, kept, reason }) => [name, kept, reason]),
      [
        ['equalised', false, 'no gain'],
        ['rounded', false, 'left out: no samples'],
      ],
    )
    rows.revise('equalised', 'with biases')
    rows.revise('nobody', 'never')
    assert.deepEqual(rows.all.map(({ kept, reason }) => [kept, reason])[0], [true, 'with biases'])
    assert.equal(rows.all.length, 2)
  })

  it('tell a gain with its sign', () => {
    assert.equal(gain({ db: 21.26 }, { db: 20 }), '+1.3 dB')
    assert.equal(gain({ db: 18 }, { db: 20 }), '−2.0 dB')
    assert.equal(gain({ db: 20 }, { db: 20 }), '+0.0 dB')
    assert.equal(gain({ db: Number.POSITIVE_INFINITY }, { db: 20 }), 'not measurable')
  })
})
