import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomStream } from '../../base/index.ts'
import { symmetricEigen } from './eigen.ts'
import { implicitQl } from './implicit-ql.ts'
import { gram, type Matrix, matrix, multiply, transpose } from './matrix.ts'
import { tridiagonalize } from './tridiagonal.ts'

const random = randomStream(7, 'eigen tests')
const gaussian = (rows: number, columns: number): Matrix =>
  matrix(
    rows,
    columns,
    Float64Array.from({ length: rows * columns }, () => random.normal()),
  )

/** Q·diag(spectrum)·Qᵀ with a random orthogonal Q. */
async function withSpectrum(spectrum: readonly number[]): Promise<Matrix> {
  const n = spectrum.length
  const q = (await symmetricEigen(gram(gaussian(n, n)))).vectors
  const scaled = matrix(
    n,
    n,
    q.data.map((value, i) => value * spectrum[Math.floor(i / n)]!),
  )
  return multiply(transpose(q), scaled)
}

/** ‖A·v − λ·v‖ ≤ 1e-10·‖A‖ and vᵢ·vⱼ = δᵢⱼ for the `count` largest. */
async function assertEigen(a: Matrix, count: number = a.rows): Promise<Float64Array> {
  const { values, vectors } = await symmetricEigen(a, count)
  const norm = Math.sqrt(a.data.reduce((sum, entry) => sum + entry * entry, 0))
  const products = multiply(vectors, a).data
  products.forEach((value, i) => {
    const expected = values[Math.floor(i / a.rows)]! * vectors.data[i]!
    assert.ok(Math.abs(value - expected) <= 1e-10 * norm, `residual ${value - expected}`)
  })
  multiply(vectors, transpose(vectors)).data.forEach((dot, i) => {
    const expected = i % (values.length + 1) === 0 ? 1 : 0
    assert.ok(Math.abs(dot - expected) <= 1e-10, `inner product ${dot}`)
  })
  for (let i = 1; i < values.length; i++) assert.ok(values[i]! <= values[i - 1]!)
  return values
}

const repeat = (value: number, times: number): number[] => Array.from({ length: times }, () => value)
const near = (got: Float64Array, expected: readonly number[]) =>
  expected.forEach((value, i) => {
    assert.ok(Math.abs(got[i]! - value) < 1e-9 * Math.max(1, expected[0]!))
  })

describe('symmetric eigenvalues', () => {
  it('of rank 20 in 256', async () => {
    const values = await assertEigen(gram(gaussian(20, 256)))
    assert.ok(values[19]! > 1 && Math.abs(values[20]!) < 1e-10 * values[0]!)
  })

  for (const [times, of, rest] of [
    [5, 10, 0],
    [3, 30, 0],
    [1, 216, 0],
    [2, 20, 60],
  ] as const)
    it(`in ${times} clusters of ${of} equal values${rest > 0 ? ` and ${rest} zeros` : ''}`, async () => {
      const spectrum = [...Array.from({ length: times }, (_, i) => repeat(10 - i, of)).flat(), ...repeat(0, rest)]
      near(await assertEigen(await withSpectrum(spectrum)), spectrum)
    })

  it('of the identity, of zero, of 1×1 and of nothing', async () => {
    const identity = matrix(64, 64)
    for (let i = 0; i < 64; i++) identity.data[i * 65] = 1
    near(await assertEigen(identity), repeat(1, 64))
    await assertEigen(matrix(16, 16))
    assert.deepEqual([...(await assertEigen(matrix(1, 1, Float64Array.of(-3))))], [-3])
    near(await assertEigen(matrix(2, 2, Float64Array.of(2, 1, 1, 2))), [3, 1])
    assert.equal((await symmetricEigen(matrix(0, 0))).values.length, 0)
  })

  it('of Gaussian matrices, all or the largest', async () => {
    const g = gram(gaussian(150, 120))
    const all = await assertEigen(g)
    near(await assertEigen(g, 10), [...all.subarray(0, 10)])
  })

  it('of a spectrum that decays to nothing', async () => {
    const spectrum = Array.from({ length: 100 }, (_, i) => 2 ** -i)
    near(await assertEigen(await withSpectrum(spectrum)), spectrum)
  })

  it('of entries near the ends of float64', async () => {
    for (const scale of [1e-160, 1e160]) {
      const g = matrix(2, 2, Float64Array.of(2 * scale, scale, scale, 2 * scale))
      assert.ok(Math.abs((await symmetricEigen(g)).values[0]! / scale - 3) < 1e-12)
    }
  })

  it('by QL with all vectors agree', async () => {
    const g = gram(gaussian(30, 24))
    const expected = (await symmetricEigen(g)).values
    const vectors = new Float64Array(24 * 24)
    for (let i = 0; i < 24; i++) vectors[i * 25] = 1
    const t = tridiagonalize(g.data.slice(), 24)
    const values = implicitQl(t, vectors)
    near(values.slice().sort().reverse(), [...expected])
    for (let k = 0; k < 24; k++)
      for (let i = 0; i < 24; i++) {
        const z = (j: number) => vectors[k * 24 + j] ?? 0
        const product =
          (t.beside[i - 1] ?? 0) * z(i - 1) * (i > 0 ? 1 : 0) +
          t.diagonal[i]! * z(i) +
          (i < 23 ? t.beside[i]! * z(i + 1) : 0)
        assert.ok(Math.abs(product - values[k]! * z(i)) < 1e-10 * t.norm)
      }
  })

  it('are refused when the matrix is not square or not finite', async () => {
    await assert.rejects(symmetricEigen(matrix(2, 3)), /square/)
    await assert.rejects(symmetricEigen(matrix(1, 1, Float64Array.of(Number.NaN))), /NaN/)
  })
})
