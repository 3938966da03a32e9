import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomFeeds, testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import type { Batch } from '../../data/index.ts'
import { compareSessions } from '../../metrics/index.ts'
import { type Runtime, withSession } from '../../runtime/index.ts'
import { compareInTurn, latencyInTurn } from './in-turn.ts'

describe('comparing one after the other', async () => {
  const runtime = await testRuntime()
  const [first, second] = [1, 2].map((seed) => tinyModel('x[N,3,8,8] -> Conv 3x3 3->4 -> y', { seed }))
  assert.ok(first && second)
  const both = [
    { model: first, label: 'one' },
    { model: second, label: 'another' },
  ] as const

  async function* batches(count: number): AsyncGenerator<Batch, void, void> {
    for (let seed = 0; seed < count; seed++)
      yield { ids: [`${seed}`, 'b'], size: 2, inputs: randomFeeds(both[0].model, seed) }
  }

  /** The runtime, which counts the sessions that are open at once. */
  function counted(): { readonly runtime: Runtime; readonly most: () => number } {
    let [open, most] = [0, 0]
    const watched: Runtime = Object.create(runtime, {
      open: {
        value: async (...args: Parameters<Runtime['open']>) => {
          const session = await runtime.open(...args)
          most = Math.max(most, ++open)
          return Object.create(session, {
            close: {
              value: () => {
                open--
                return session.close()
              },
            },
            run: { value: session.run.bind(session) },
          })
        },
      },
    })
    return { runtime: watched, most: () => most }
  }

  it('finds what both at once find, with one model open at a time', async () => {
    const watched = counted()
    const found = await compareInTurn(watched.runtime, both, batches(5), { total: 10 })
    assert.equal(watched.most(), 1)
    const wanted = await withSession(runtime, both[0].model, { label: 'one' }, (a) =>
      withSession(runtime, both[1].model, { label: 'another' }, (b) =>
        compareSessions(a, b, batches(5), { total: 10 }),
      ),
    )
    assert.deepEqual(found, wanted)
  })

  it('finds nothing where there are no samples, and times each model', async () => {
    assert.equal((await compareInTurn(runtime, both, batches(0), { total: 0 })).samples, 0)
    const latencies = await latencyInTurn(runtime, both, randomFeeds(both[0].model, 0))
    assert.equal(latencies.length, 2)
    for (const { medianMs, runs } of latencies) assert.ok(medianMs > 0 && runs > 0)
  })
})
