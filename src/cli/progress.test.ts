import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { progressTo } from './progress.ts'

/** A stream that keeps what is written. */
function kept(isTTY: boolean) {
  const written: string[] = []
  const write = (text: string) => written.push(text) > 0
  return { written, stream: { isTTY, write, columns: 80 } as unknown as NodeJS.WriteStream }
}

describe('progress off a terminal', () => {
  it('tells a step once, and where it stands every ten seconds, also while nothing is reported', (context) => {
    context.mock.timers.enable({ apis: ['setInterval', 'Date'], now: 1_000_000 })
    const { written, stream } = kept(false)
    const { progress, done } = progressTo(stream, false)
    progress({ step: 'rounded', done: 0, total: 4, at: Date.now() })
    context.mock.timers.tick(5000)
    progress({ step: 'rounded', done: 1, total: 4, at: Date.now(), message: 'conv1' })
    assert.deepEqual(written, ['rounded: 4\n'])
    context.mock.timers.tick(5000)
    assert.deepEqual(written.slice(1), ['rounded: 1 of 4, 10 s so far, 15 s left, conv1\n'])
    for (const _ of [1, 2]) context.mock.timers.tick(10_000)
    assert.equal(written.length, 4)
    done()
    context.mock.timers.tick(60_000)
    assert.equal(written.length, 4)
  })

  it('says nothing with --quiet', () => {
    const { written, stream } = kept(false)
    progressTo(stream, true).progress({ step: 'read', done: 0, total: 1, at: Date.now() })
    assert.deepEqual(written, [])
  })

  it('draws one line on a terminal, and clears it', () => {
    const { written, stream } = kept(true)
    const { progress, done } = progressTo(stream, false)
    progress({ step: 'calibrate', done: 1, total: 2, at: 1000 })
    progress({ step: 'calibrate', done: 2, total: 2, at: 1001 })
    done()
    assert.ok(written.every((text) => text.startsWith('\r\x1b[K') && !text.includes('\n')))
    assert.match(written[1] ?? '', /█{20} 2\/2/)
  })
})
