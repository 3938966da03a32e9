import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { localQueue } from './local-queue.ts'
import type { Job, RunningJob } from './queue.ts'

/** Starts jobs that end when the test says so. */
function bench(options: { readonly obeys?: boolean } = {}) {
  const log: string[] = []
  const ends = new Map<string, () => void>()
  const start = (job: Job): RunningJob => {
    log.push(`start ${job.id}`)
    const done = new Promise<void>((resolve) => {
      ends.set(job.id, () => {
        log.push(`end ${job.id}`)
        resolve()
      })
    })
    return {
      done,
      stop: (hard) => {
        log.push(`${hard ? 'kill' : 'stop'} ${job.id}`)
        if (hard || options.obeys !== false) ends.get(job.id)?.()
      },
    }
  }
  return { log, start, end: (id: string) => ends.get(id)?.() }
}

const job = (id: string): Job => ({ id, recipe: { command: 'inspect', model: `${id}.onnx` } })
const settle = (ms = 0): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('the local queue', () => {
  it('runs one job at a time, in order', async () => {
    const { log, start, end } = bench()
    const queue = localQueue(start)
    for (const id of ['a', 'b', 'c']) queue.add(job(id))
    assert.deepEqual(
      queue.jobs().map(({ job, state }) => `${job.id} ${state}`),
      ['a running', 'b waiting', 'c waiting'],
    )
    for (const id of ['a', 'b', 'c']) {
      end(id)
      await settle()
    }
    assert.deepEqual(log, ['start a', 'end a', 'start b', 'end b', 'start c', 'end c'])
    assert.deepEqual(queue.jobs(), [])
  })

  it('takes no job twice', () => {
    const { log, start } = bench()
    const queue = localQueue(start)
    for (const id of ['a', 'a', 'b', 'b']) queue.add(job(id))
    assert.equal(queue.jobs().length, 2)
    assert.deepEqual(log, ['start a'])
  })

  it('takes a waiting job out without starting it, and stops a running one', async () => {
    const { log, start } = bench()
    const queue = localQueue(start)
    for (const id of ['a', 'b', 'c']) queue.add(job(id))
    assert.equal(queue.cancel('b'), true)
    assert.equal(queue.cancel('a'), true)
    assert.equal(queue.cancel('nobody'), false)
    await settle()
    assert.deepEqual(log, ['start a', 'stop a', 'end a', 'start c'])
  })

  it('kills what does not stop in time', async () => {
    const { log, start } = bench({ obeys: false })
    const queue = localQueue(start, { patienceMs: 10 })
    queue.add(job('a'))
    queue.cancel('a')
    await settle(40)
    assert.deepEqual(log, ['start a', 'stop a', 'kill a', 'end a'])
  })

  it('closes by stopping what runs, and starts nothing more', async () => {
    const { log, start } = bench()
    const queue = localQueue(start)
    queue.add(job('a'))
    queue.add(job('b'))
    await queue.close()
    queue.add(job('c'))
    assert.deepEqual(log, ['start a', 'stop a', 'end a'])
  })

  it('tells of every change', async () => {
    const { start, end } = bench()
    let changes = 0
    const queue = localQueue(start, { onChange: () => changes++ })
    queue.add(job('a'))
    const added = changes
    assert.ok(added >= 1)
    end('a')
    await settle()
    assert.ok(changes > added)
  })
})
