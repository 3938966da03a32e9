import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { randomStream } from '../../math/index.ts'
import { withOrthogonal } from './orthogonal.ts'

/** A matrix whose singular values lie a hundredfold apart: rows of random numbers with sizes from 1 to 0.01. */
function uneven(rows: number, columns: number): Float32Array {
  const random = randomStream(1, `${rows} ${columns}`)
  return Float32Array.from({ length: rows * columns }, (_, i) => {
    const place = rows <= columns ? Math.floor(i / columns) : i % columns
    return random.normal() * 100 ** (-place / Math.min(rows, columns))
  })
}

/** M·Mᵀ or Mᵀ·M, whichever is smaller. */
function gram(m: Float32Array, rows: number, columns: number): number[][] {
  const [n, inner] = [Math.min(rows, columns), Math.max(rows, columns)]
  const at = (i: number, k: number) => (rows <= columns ? m[i * columns + k] : m[k * columns + i]) ?? 0
  return Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (_, j) => {
      let sum = 0
      for (let k = 0; k < inner; k++) sum += at(i, k) * at(j, k)
      return sum
    }),
  )
}

describe('matrices made orthogonal', () => {
  for (const dims of [
    [8, 24],
    [24, 8],
    [6, 4, 3, 3],
  ])
    it(`keep their directions and lose their sizes: ${dims.join(' × ')}`, async () => {
      const [rows = 1] = dims
      const columns = dims.slice(1).reduce((a, b) => a * b, 1)
      const given = uneven(rows, columns)
      const made = await withOrthogonal(await testRuntime(), [{ name: 'w', dims }], (orthogonalize) =>
        orthogonalize(new Map([['w', given.slice()]])),
      )
      const result = made.get('w')
      assert.ok(result, 'there is a result')
      const square = result.reduce((sum, x) => sum + x * x, 0) / result.length
      assert.ok(Math.abs(square - 1) < 1e-4, `mean square ${square}`)
      const own = gram(result, rows, columns)
      const mean = own.reduce((sum, row, i) => sum + (row[i] ?? 0), 0) / own.length
      for (const [i, row] of own.entries())
        for (const [j, value] of row.entries()) {
          const share = value / mean
          if (i === j) assert.ok(share > 0.25 && share < 2, `direction ${i} has ${share} of the mean size`)
          else assert.ok(Math.abs(share) < 0.6, `directions ${i} and ${j} have ${share} in common`)
        }
      const along = result.reduce((sum, x, i) => sum + x * (given[i] ?? 0), 0)
      assert.ok(along > 0, 'it points where the given matrix points')
    })

  it('of zeros stay zeros', async () => {
    const made = await withOrthogonal(await testRuntime(), [{ name: 'w', dims: [3, 5] }], (orthogonalize) =>
      orthogonalize(new Map([['w', new Float32Array(15)]])),
    )
    assert.deepEqual([...(made.get('w') ?? [])], Array(15).fill(0))
  })
})
