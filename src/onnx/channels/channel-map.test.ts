import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type ChannelMap, onAxis, reshapeMap, singleAxis, transposeMap } from './channel-map.ts'
import { UnionFind } from './union-find.ts'

/** The channel of every element of a sample, row-major over dims without the batch. */
function channels({ axes, sizes, ids }: ChannelMap, dims: readonly number[]): number[] {
  const inner = dims.slice(1)
  const total = inner.reduce((a, b) => a * b, 1)
  return Array.from({ length: total }, (_, index) => {
    const at = inner.map(
      (_, axis) => Math.floor(index / inner.slice(axis + 1).reduce((a, b) => a * b, 1)) % (inner[axis] ?? 1),
    )
    const place = axes.reduce((sum, axis, i) => sum * (sizes[i] ?? 1) + (at[axis - 1] ?? 0), 0)
    return ids[place] ?? -1
  })
}

const dimsOf = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 4 })

describe('the channels of a value', () => {
  it('stay with their elements through a Reshape', () => {
    fc.assert(
      fc.property(dimsOf, fc.nat(), (inner, pick) => {
        const before = [1, ...inner]
        const axis = 1 + (pick % inner.length)
        const map = onAxis(
          axis,
          Int32Array.from({ length: before[axis] ?? 1 }, (_, i) => 10 + i),
        )
        const total = inner.reduce((a, b) => a * b, 1)
        for (const after of [
          [1, total],
          [1, total, 1],
          [1, ...inner.toReversed()],
          [1, 1, total],
        ]) {
          const moved = reshapeMap(map, before, after)
          assert.ok(moved)
          assert.deepEqual(channels(moved, after), channels(map, before), `${before} → ${after}`)
        }
      }),
    )
  })

  it('move with their axes through a Transpose', () => {
    fc.assert(
      fc.property(dimsOf, fc.nat(), (inner, pick) => {
        const before = [1, ...inner]
        const axis = 1 + (pick % inner.length)
        const map = onAxis(
          axis,
          Int32Array.from({ length: before[axis] ?? 1 }, (_, i) => i),
        )
        const order = [0, ...inner.map((_, i) => i + 1).toReversed()]
        const moved = transposeMap(map, order)
        assert.ok(moved)
        const single = singleAxis(moved)
        assert.equal(order[single?.axis ?? -1], axis)
        assert.deepEqual([...(single?.ids ?? [])], [...map.ids])
        const back = transposeMap(moved, order)
        assert.deepEqual(back, map, 'turned twice they are as they were')
      }),
    )
  })

  it('are not followed where the batch moves or the number of elements changes', () => {
    const map = onAxis(1, Int32Array.of(0, 1))
    assert.equal(transposeMap(map, [1, 0]), undefined)
    assert.equal(reshapeMap(map, [1, 2], [2, 1]), undefined)
    assert.equal(reshapeMap(map, [1, 2], [1, 3]), undefined)
  })

  it('lie on two axes between the Reshapes of a shuffle, and on one again behind them', () => {
    const map = onAxis(1, Int32Array.of(0, 1, 2, 3, 4, 5))
    const apart = reshapeMap(map, [1, 6, 2], [1, 2, 3, 2])
    assert.deepEqual([apart?.axes, apart?.sizes, singleAxis(apart)], [[1, 2], [2, 3], undefined])
    const turned = apart && transposeMap(apart, [0, 2, 1, 3])
    const joined = turned && reshapeMap(turned, [1, 3, 2, 2], [1, 6, 2])
    assert.deepEqual([...(singleAxis(joined)?.ids ?? [])], [0, 3, 1, 4, 2, 5])
  })
})

describe('sets of channels', () => {
  it('are those that were joined, directly or through others', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(15), fc.nat(15))), (pairs) => {
        const sets = new UnionFind()
        sets.add(16)
        const groups = Array.from({ length: 16 }, (_, i) => new Set([i]))
        for (const [a, b] of pairs) {
          sets.join(a, b)
          const all = new Set([...(groups[a] ?? []), ...(groups[b] ?? [])])
          for (const each of all) groups[each] = all
        }
        for (let i = 0; i < 16; i++)
          assert.equal(sets.root(i), Math.min(...(groups[i] ?? [])), 'the lowest stands for all')
      }),
    )
  })

  it('grow by new ones, each alone', () => {
    const sets = new UnionFind()
    assert.deepEqual([...sets.add(2), ...sets.add(3)], [0, 1, 2, 3, 4])
    assert.equal(sets.size, 5)
    assert.equal(sets.root(4), 4)
  })
})
