import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { CancelledError } from '../base/index.ts'
import type { Dataset } from './dataset.ts'
import { readSamples } from './read-samples.ts'

/** Ten samples, the earlier ones slower to read; counts how many are being read at once. */
function slowDataset(failAt = -1): Dataset & { readonly most: () => number; readonly started: () => number } {
  let running = 0
  let most = 0
  let started = 0
  return {
    name: 'slow',
    size: 10,
    hasLabels: false,
    notes: [],
    id: String,
    most: () => most,
    started: () => started,
    sample: async (index) => {
      started++
      most = Math.max(most, ++running)
      await wait(10 - index)
      running--
      if (index === failAt) throw new Error('broken')
      return { id: String(index), inputs: {} }
    },
  }
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

const idsOf = async (samples: AsyncIterable<{ id: string }>) => (await collect(samples)).map(({ id }) => id)

describe('readSamples', () => {
  it('keeps the order asked for and reads ahead, a bounded number', async () => {
    const dataset = slowDataset()
    assert.deepEqual(await idsOf(readSamples(dataset, [1, 9, 3, 0, 7, 5], { prefetch: 3 })), [
      '1',
      '9',
      '3',
      '0',
      '7',
      '5',
    ])
    assert.equal(dataset.most(), 3)
  })

  it('throws a failure when its turn comes, not before', async () => {
    const seen: string[] = []
    await assert.rejects(async () => {
      for await (const { id } of readSamples(slowDataset(2), [0, 1, 2, 3])) seen.push(id)
    }, /broken/)
    assert.deepEqual(seen, ['0', '1'])
  })

  it('stops between samples when cancelled', async () => {
    const abort = new AbortController()
    await assert.rejects(async () => {
      for await (const _ of readSamples(slowDataset(), [0, 1, 2, 3, 4, 5], { signal: abort.signal })) abort.abort()
    }, CancelledError)
  })

  it('reads no more when the consumer leaves', async () => {
    const dataset = slowDataset()
    for await (const _ of readSamples(dataset, [0, 1, 2, 3, 4, 5, 6], { prefetch: 2 })) break
    assert.ok(dataset.started() <= 3)
  })
})
