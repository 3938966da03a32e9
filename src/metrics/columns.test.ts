import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomStream } from '../math/index.ts'
import { Columns } from './columns.ts'
import { Comparer, meanSqnrDb } from './compare.ts'

/** Values of an output whose columns along `axis` are as large as `sizes` say; a negative size: around 0. */
function output(dims: readonly number[], axis: number, sizes: readonly number[], seed = 0): Float32Array {
  const random = randomStream(seed, 'columns')
  const inner = dims.slice(axis + 1).reduce((a, b) => a * b, 1)
  return Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => {
    const size = sizes[Math.floor(i / inner) % sizes.length] ?? 0
    return size < 0 ? random.uniform(size, -size) : random.uniform(0, size)
  })
}

function groupsOf(dims: readonly number[], axis: number, sizes: readonly number[]): readonly (readonly number[])[] {
  const columns = new Columns()
  const values = output(dims, axis, sizes)
  columns.add(
    values,
    values.map((value) => value * 0.99),
    dims,
  )
  return (columns.groups() ?? []).map((group) => [group.axis, group.from, group.to])
}

const boxes = [320, 320, 160, 160]
const scores = [0.2, 0.9, 0.01]

describe('column groups', () => {
  it('parts boxes in pixels from scores, whichever axis they stand along', () => {
    assert.deepEqual(groupsOf([2, 7, 50], 1, [...boxes, ...scores]), [
      [1, 0, 4],
      [1, 4, 7],
    ])
    assert.deepEqual(groupsOf([2, 50, 7], 2, [...boxes, ...scores]), [
      [2, 0, 4],
      [2, 4, 7],
    ])
  })

  it('finds scores on both sides of boxes, and a channel axis beside a map', () => {
    assert.deepEqual(groupsOf([1, 8, 9, 9], 1, [0.5, -2, -2, -3, -3, 0.9, 0.8, 1]), [
      [1, 0, 1],
      [1, 1, 5],
      [1, 5, 8],
    ])
  })

  it('takes a channel of a map behind a Relu for no score, however small it is', () => {
    const columns = new Columns()
    const values = output([1, 8, 9, 9], 1, [-20, -20, -20, -0.9, -20, -20, -20, -20]).map((x) => Math.max(0, x))
    columns.add(values, values, [1, 8, 9, 9])
    assert.equal(columns.groups(), undefined)
  })

  it('parts columns of one sign by a step in size', () => {
    assert.deepEqual(groupsOf([64, 5], 1, [-500, -700, -2, -3, -1.5]), [
      [1, 0, 2],
      [1, 2, 5],
    ])
  })

  it('leaves logits, probabilities, features and single numbers whole', () => {
    assert.deepEqual(groupsOf([64, 10], 1, [-3, -5, -4, -8, -6, -3, -5, -9, -6, -4]), [])
    assert.deepEqual(groupsOf([32, 5], 1, [1, 0.01, 0.02, 0.001, 0.5]), [])
    assert.deepEqual(groupsOf([4, 12, 9, 9], 1, [2, 0.5, 3, 0.8, 4, 0.3, 0.9, 5, 0.2, 6, 0.7, 3]), [])
    assert.deepEqual(groupsOf([64, 1], 1, [3]), [])
  })

  it('does not call a map with a bright half two columns', () => {
    assert.deepEqual(
      groupsOf(
        [1, 1, 40, 40],
        3,
        Array.from({ length: 40 }, (_, x) => (x < 20 ? 0.9 : 40)),
      ),
      [],
    )
  })

  it('says what each group lost, and counts groups instead of the whole', () => {
    const comparer = new Comparer()
    const dims = [2, 7, 50]
    const value = output(dims, 1, [...boxes, ...scores])
    const got = value.map((x, i) => (Math.floor(i / 50) % 7 < 4 ? x * 1.01 : 0))
    const tensor = (data: Float32Array) => ({ y: { dtype: 'float32' as const, dims, data } })
    comparer.add(tensor(value), tensor(got), { inputs: {}, ids: ['0', '1'], size: 2 })
    const result = comparer.result()
    assert.ok(Math.abs((result.sqnrDb['y'] ?? 0) - 40) < 1)
    const [first, second] = result.columns?.['y'] ?? []
    assert.ok(Math.abs((first?.sqnrDb ?? 0) - 40) < 0.1)
    assert.ok(Math.abs(second?.sqnrDb ?? 1) < 1e-9)
    assert.ok(Math.abs((meanSqnrDb(result) ?? 0) - 3) < 0.1)
  })

  it('weighs the worst output most', () => {
    assert.ok(Math.abs((meanSqnrDb({ sqnrDb: { a: 50, b: 10 } }) ?? 0) - 13) < 0.1)
    assert.equal(meanSqnrDb({ sqnrDb: { a: null } }), 120)
    assert.equal(meanSqnrDb({ sqnrDb: {} }), undefined)
    assert.ok(Number.isNaN(meanSqnrDb({ sqnrDb: { a: Number.NaN, b: 3 } })))
  })
})
