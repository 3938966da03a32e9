import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { selectRatios, withMonotoneLosses } from './select-ratios.ts'

const item = (name: string, losses: readonly number[]) => ({
  name,
  unchanged: { cost: 10, loss: 0 },
  candidates: losses.map((loss, i) => ({ cost: 2 + 2 * i, loss })),
})

describe('choosing ratios', () => {
  it('gives the least loss within each share of the whole cost, what stays included', () => {
    const items = [item('a', [0.4, 0.2, 0.1]), item('b', [9, 8, 7])]
    const [half, mild, never] = selectRatios(items, [0.5, 0.9, 0.1], { fixed: 20 })
    assert.equal(half, undefined)
    assert.deepEqual([mild?.cost, mild?.loss], [16, 0.1])
    assert.equal(never, undefined)
    assert.deepEqual(selectRatios(items, [0.6])[0]?.cost, 12)
  })

  it('takes the published greedy search on request', () => {
    const [chosen] = selectRatios([item('a', [0.4, 0.2, 0.1])], [0.6], { select: 'greedy' })
    assert.equal(chosen?.cost, 6)
  })

  it('fits losses that rise where they cannot, and leaves the order of candidates', () => {
    const { candidates } = withMonotoneLosses(item('a', [0.1, 0.3, 0.2]))
    assert.deepEqual(
      candidates.map(({ cost }) => cost),
      [2, 4, 6],
    )
    for (const [i, { loss }] of candidates.entries()) assert.ok(loss <= (candidates[i - 1]?.loss ?? 1), `${loss}`)
    assert.ok(Math.abs(candidates.reduce((sum, { loss }) => sum + loss, 0) - 0.6) < 1e-12, 'the mean is kept')
  })
})
