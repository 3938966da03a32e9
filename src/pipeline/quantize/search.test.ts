import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Built } from './build.ts'
import type { Candidate } from './candidate.ts'
import type { RunningSearch } from './context.ts'
import { isBetter, type Score } from './judge.ts'
import { Rows } from './rows.ts'
import { tryAll } from './search.ts'
import type { Technique } from './technique.ts'

const score = (db: number): Score => ({
  db,
  comparison: { samples: 8, sqnrDb: { y: db } } as unknown as Score['comparison'],
})

/** A candidate that nothing is quantised of: it knows its score, and what it went through as its evidence. */
function candidate(db: number, evidence: Candidate['evidence'] = {}): Candidate {
  const built = async () => ({}) as Built
  return {
    applied: [],
    evidence,
    corrections: [],
    plain: built,
    built,
    score: async () => score(db),
  } as unknown as Candidate
}

/** A technique that adds decibels to a candidate, and more to one that another technique has been at. */
function technique(
  name: string,
  db: number,
  more: Partial<Technique> & { readonly behind?: [string, number] } = {},
): Technique {
  const { behind, ...rest } = more
  return {
    name,
    row: name,
    attempt: async (before) => {
      const extra = behind && behind[0] in before.evidence ? behind[1] : 0
      const { db: known } = await before.score()
      return {
        candidate: {
          ...before,
          ...candidate(known + db + extra, { ...before.evidence, [name]: true }),
          applied: before.applied,
        },
      }
    },
    ...rest,
  }
}

function context(more: { judges?: boolean; keep?: 'always' | 'if-better'; holdsBack?: boolean } = {}) {
  const { judges = true, keep = 'if-better', holdsBack = true } = more
  const rows = new Rows()
  const fake = {
    judges,
    holdsBack,
    rows,
    options: { keep },
    step: () => rows.start(),
    keeps: (now: Score, before: Score, least?: number) => keep === 'always' || isBetter(now, before, least),
  }
  return { rows, running: fake as unknown as RunningSearch }
}

async function run(techniques: readonly Technique[], more: Parameters<typeof context>[0] = {}) {
  const { rows, running } = context(more)
  const source = { attempt: (each: Technique, on: Candidate) => each.attempt(on, running) }
  const best = await tryAll(candidate(20), techniques, source, running)
  return { best, db: (await best.score()).db, rows: rows.all.map(({ name, kept }) => `${kept ? '+' : '-'}${name}`) }
}

describe('the search over techniques', () => {
  it('keeps what helps and leaves what does not', async () => {
    const { best, db, rows } = await run([
      technique('a', 2),
      technique('b', -1),
      technique('c', 0.05),
      technique('d', 3),
    ])
    assert.equal(db, 25)
    assert.deepEqual(best.applied, ['a', 'd'])
    assert.deepEqual(rows, ['+a', '-b', '-c', '+d'])
  })

  it('keeps everything where techniques are pinned', async () => {
    const { best, db } = await run([technique('a', 2), technique('b', -1)], { keep: 'always' })
    assert.equal(db, 21)
    assert.deepEqual(best.applied, ['a', 'b'])
  })

  it('applies everything, without rows, where nothing can be compared', async () => {
    const { best, rows } = await run([technique('a', 2), technique('b', -1)], { judges: false })
    assert.deepEqual(best.applied, ['a', 'b'])
    assert.deepEqual(rows, [])
  })

  it('keeps what a technique says must only do no harm', async () => {
    const harmless = technique('a', -0.05, { keeps: (now, before) => !isBetter(before, now) })
    assert.deepEqual((await run([harmless])).rows, ['+a'])
    assert.deepEqual((await run([{ ...harmless, attempt: technique('a', -1).attempt }])).rows, ['-a'])
  })

  it('lets a technique judge for itself', async () => {
    const own = { ...technique('a', -3) }
    const kept: Technique = {
      ...own,
      attempt: async (on, at) => ({ ...(await own.attempt(on, at)), kept: true }) as never,
    }
    assert.deepEqual((await run([kept])).rows, ['+a'])
  })

  it('says what could not be tried', async () => {
    const { rows, db } = await run([technique('a', 0, { attempt: async () => ({ leftOut: 'no memory' }) })])
    assert.deepEqual([rows, db], [['-a'], 20])
  })

  it('tries what may pay later again behind techniques that say so, and takes it when it wins', async () => {
    const first = technique('equal', -0.5, { paysLater: true })
    const correct = technique('correct', 1, { triesRival: true, behind: ['equal', 3] })
    const { best, db, rows } = await run([first, technique('other', 0), correct])
    assert.equal(db, 23.5)
    assert.deepEqual(best.applied, ['equal', 'correct'])
    assert.deepEqual(rows, ['+equal', '-other', '+correct'])
  })

  it('asks of a technique alone what that one must gain', async () => {
    const first = technique('equal', 2)
    const picky: Technique = {
      ...first,
      attempt: async (on, at) => ({ ...(await first.attempt(on, at)), least: 1.5 }) as never,
    }
    const { rows } = await run([picky, technique('correct', 0.9)])
    assert.deepEqual(rows, ['+equal', '+correct'])
    const dull: Technique = {
      ...picky,
      attempt: async (on, at) => ({ ...(await first.attempt(on, at)), least: 2.5 }) as never,
    }
    assert.deepEqual((await run([dull, technique('correct', 0.9)])).rows, ['-equal', '+correct'])
  })

  it('leaves it where it does not win', async () => {
    const first = technique('equal', -0.5, { paysLater: true })
    const { best, rows } = await run([first, technique('correct', 1, { triesRival: true, behind: ['equal', 0.2] })])
    assert.deepEqual(best.applied, ['correct'])
    assert.deepEqual(rows, ['-equal', '+correct'])
  })

  it('does not call what may pay later kept when the winner behind it is worse than what there was', async () => {
    const first = technique('equal', -3, { paysLater: true })
    const { best, rows } = await run([first, technique('correct', -2, { triesRival: true, behind: ['equal', 4] })])
    assert.deepEqual(best.applied, [])
    assert.deepEqual(rows, ['-equal', '-correct'])
  })

  it('gives the rival the evidence of the best', async () => {
    const first = technique('equal', -0.5, { paysLater: true })
    const replayed: unknown[] = []
    const spare = technique('spare', 4, {
      replay: async (on, evidence) => {
        replayed.push(evidence)
        return { ...on, ...candidate((await on.score()).db + 4, { ...on.evidence, spare: true }), applied: on.applied }
      },
    })
    const correct = technique('correct', 0, { triesRival: true, behind: ['equal', 3] })
    const { db } = await run([first, spare, correct])
    assert.deepEqual(replayed, [true])
    assert.equal(db, 26.5)
  })

  it('learns again only what was kept, and only where samples were held back', async () => {
    const again: string[] = []
    const learner = (name: string, db: number) =>
      technique(name, db, {
        relearn: async (on) => {
          again.push(name)
          return on
        },
      })
    await run([learner('a', 1), learner('b', -1)])
    assert.deepEqual(again, ['a'])
    await run([learner('a', 1)], { holdsBack: false })
    assert.deepEqual(again, ['a'])
  })
})
