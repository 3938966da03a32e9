import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { type AnyMatrix, multiply, plainProducts, randomStream, transpose } from '../math/index.ts'
import { openRuntime } from './index.node.ts'
import { runtimeProducts } from './products.ts'

const runtime = await openRuntime({ threads: 1 })
const products = runtimeProducts(runtime)
const random = randomStream(3, 'products')

function gaussian(rows: number, columns: number, wide: boolean): AnyMatrix {
  const data = Array.from({ length: rows * columns }, () => random.normal())
  return { rows, columns, data: wide ? Float64Array.from(data) : Float32Array.from(data) }
}

function assertNear(got: AnyMatrix, expected: AnyMatrix): void {
  assert.deepEqual([got.rows, got.columns], [expected.rows, expected.columns])
  assert.ok(got.data instanceof Float64Array)
  expected.data.forEach((value, i) => {
    assert.ok(Math.abs(got.data[i]! - value) <= 1e-10, `${got.data[i]} for ${value}`)
  })
}

describe('products through the runtime', () => {
  after(async () => {
    await products.close()
    await runtime.close()
  })

  it('give the quadratic form of each row, in float32 where it is large', async () => {
    for (const [rows, n] of [
      [3, 5],
      [40, 90],
    ] as const) {
      const a = gaussian(rows, n, true)
      const x = gaussian(2 * n, n, true)
      const h = multiply(transpose(x), x)
      const got = await products.quadratic(a, h)
      const terms = multiply(a, h)
      for (let row = 0; row < rows; row++) {
        let sum = 0
        for (let c = 0; c < n; c++) sum += a.data[row * n + c]! * terms.data[row * n + c]!
        assert.ok(Math.abs(got[row]! - sum) < 1e-5 * Math.abs(sum), `${got[row]} for ${sum}`)
      }
    }
  })

  it('hand over what is spent, and nothing else', async () => {
    const [left, right] = [gaussian(70, 65, true), gaussian(65, 60, true)]
    const expected = multiply(left, right)
    assertNear(await products.multiply(left, right, { spent: 'b' }), expected)
    assert.deepEqual([left.data.length, right.data.length], [70 * 65, 0])
  })

  for (const [a, b] of [
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ] as const)
    it(`give op(a)·op(b) in float64, transposed ${a} and ${b}, small and large, whatever the input type`, async () => {
      for (const [rows, inner, columns] of [
        [3, 4, 5],
        [70, 65, 60],
      ] as const)
        for (const wide of [false, true]) {
          const [left, right] = [gaussian(rows, inner, wide), gaussian(inner, columns, !wide)]
          const got = await products.multiply(a ? narrowed(left, wide) : left, b ? narrowed(right, !wide) : right, {
            a,
            b,
          })
          assertNear(got, multiply(left, right))
        }
    })

  it('give the Gram matrix', async () => {
    for (const wide of [false, true]) {
      const x = gaussian(500, 30, wide)
      assertNear(await products.gram(x), await plainProducts.gram(x))
    }
  })

  it('give means and sums of products about them to some millionths of the variances, however far the means are off', async () => {
    const rows = (columns: number, mean: number): AnyMatrix => {
      const data = new Float32Array(400 * columns)
      for (let i = 0; i < data.length; i++) data[i] = mean + (i % columns) + random.normal()
      return { rows: 400, columns, data }
    }
    for (const mean of [0, 1000]) {
      const [x, y] = [rows(24, mean), rows(7, -mean)]
      for (const targets of [undefined, y]) {
        const expected = await plainProducts.scatter(x, targets)
        const copy = (a: AnyMatrix): AnyMatrix => ({ ...a, data: a.data.slice() })
        const got = await products.scatter(copy(x), targets && copy(targets))
        for (const name of ['meanX', 'meanY', 'xx', 'yx', 'yy'] as const) {
          assert.equal(got[name].length, expected[name].length, name)
          // Deviations are about 1, and 400 rows are summed up.
          const tolerance = name.startsWith('mean') ? 1e-6 : 1e-3
          for (const [i, value] of expected[name].entries())
            assert.ok(Math.abs(got[name][i]! - value) <= tolerance, `${name}: ${got[name][i]} for ${value}`)
        }
      }
    }
  })

  it('are refused when the inner sizes differ', async () => {
    await assert.rejects(products.multiply(gaussian(2, 3, true), gaussian(2, 3, true)), /inner sizes differ/)
    await assert.rejects(
      products.multiply(gaussian(2, 3, true), gaussian(2, 4, true), { b: true }),
      /inner sizes differ/,
    )
  })
})

/** The transpose, in the element type it had. */
function narrowed(a: AnyMatrix, wide: boolean): AnyMatrix {
  const t = transpose(a)
  return wide ? t : { ...t, data: Float32Array.from(t.data) }
}
