import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Values } from '../../runtime/index.ts'
import { keepForTrials, tried } from './trial-cuts.ts'

const batch = (size: number): Values => ({ x: { dtype: 'float32', dims: [size, 1], data: new Float32Array(size) } })
const count = (batches: readonly Values[]) => batches.reduce((sum, { x }) => sum + (x?.dims[0] ?? 0), 0)

describe('samples for trial cuts', () => {
  it('are kept from the moments: at most a quarter, and no more than are needed', () => {
    const many = keepForTrials(Array.from({ length: 12 }, () => batch(32)))
    assert.deepEqual([count(many.moments), count(many.trials)], [320, 64])
    const single = keepForTrials(Array.from({ length: 20 }, () => batch(1)))
    assert.deepEqual([count(single.moments), count(single.trials)], [15, 5])
  })

  it('are the same ones when none can be spared', () => {
    const { moments, trials } = keepForTrials([batch(32), batch(32)])
    assert.deepEqual([count(moments), count(trials)], [64, 32])
    assert.equal(keepForTrials([]).trials.length, 0)
  })
})

describe('channels of a trial cut', () => {
  const costs = (...list: number[]) => list.map((cost) => ({ cost }))

  it('are the cheapest quarter, and before them all that cost nothing', () => {
    assert.deepEqual(tried(costs(1, 2, 3, 4, 5, 6, 7, 8)), costs(1, 2))
    // Four dead ones tell nothing of the four that work.
    assert.deepEqual(tried(costs(0, 0, 1e-9, 1e-9, 5, 6, 7, 8)), costs(0, 0, 1e-9, 1e-9, 5))
  })

  it('leave one', () => {
    assert.deepEqual(tried(costs(0, 0, 5)), costs(0, 0))
    assert.deepEqual(tried(costs(4, 5)), costs(4))
  })
})
