import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertNear } from '../../test/support/assert-near.ts'
import { type AnyMatrix, plainProducts, randomStream } from '../math/index.ts'
import { Moments } from './moments.ts'

const random = randomStream(5, 'moments')

/** Correlated rows with means far from 0, as activations of 0 to 255 have. */
function rows(count: number, columns: number, mean: number): AnyMatrix {
  const data = new Float32Array(count * columns)
  for (let row = 0; row < count; row++) {
    const shared = random.normal()
    for (let c = 0; c < columns; c++) data[row * columns + c] = mean + c + shared + 0.5 * random.normal()
  }
  return { rows: count, columns, data }
}

function part(x: AnyMatrix, from: number, to: number): AnyMatrix {
  return { rows: to - from, columns: x.columns, data: x.data.slice(from * x.columns, to * x.columns) }
}

/** cov(a, b) by its definition. */
function covariance(a: AnyMatrix, b: AnyMatrix): number[] {
  const mean = (m: AnyMatrix, c: number) => {
    let sum = 0
    for (let row = 0; row < m.rows; row++) sum += m.data[row * m.columns + c]!
    return sum / m.rows
  }
  const result: number[] = []
  for (let i = 0; i < a.columns; i++)
    for (let j = 0; j < b.columns; j++) {
      const [ma, mb] = [mean(a, i), mean(b, j)]
      let sum = 0
      for (let row = 0; row < a.rows; row++)
        sum += (a.data[row * a.columns + i]! - ma) * (b.data[row * b.columns + j]! - mb)
      result.push(sum / a.rows)
    }
  return result
}

describe('moments', () => {
  const x = rows(300, 5, 200)
  const y = rows(300, 3, -90)

  it('are means and covariances by their definition, whatever the means', async () => {
    const moments = new Moments(5, 3)
    await moments.add(plainProducts, x, y)
    assert.equal(moments.count, 300)
    assertNear(moments.covariance.data, covariance(x, x), 1e-5)
    assertNear(moments.crossCovariance.data, covariance(y, x), 1e-5)
    const yy = covariance(y, y)
    assertNear(moments.targetVariances, [yy[0]!, yy[4]!, yy[8]!], 1e-5)
    assertNear(
      moments.meanX,
      Array.from(
        { length: 5 },
        (_, c) =>
          Array.from(x.data)
            .filter((_, i) => i % 5 === c)
            .reduce((a, b) => a + b) / 300,
      ),
      1e-4,
    )
  })

  it('do not depend on how the samples were divided, nor on merging', async () => {
    const whole = new Moments(5, 3)
    await whole.add(plainProducts, x, y)
    const [first, second] = [new Moments(5, 3), new Moments(5, 3)]
    await first.add(plainProducts, part(x, 0, 17), part(y, 0, 17))
    await first.add(plainProducts, part(x, 17, 120), part(y, 17, 120))
    await second.add(plainProducts, part(x, 120, 300), part(y, 120, 300))
    first.merge(second)
    assert.equal(first.count, 300)
    assertNear(first.covariance.data, whole.covariance.data, 1e-5)
    assertNear(first.crossCovariance.data, whole.crossCovariance.data, 1e-5)
    assertNear(first.meanX, whole.meanX, 1e-9)
    assertNear(first.meanY, whole.meanY, 1e-9)
    assertNear(first.targetVariances, whole.targetVariances, 1e-5)
  })

  it('come back from their state as they were, with and without covariances', async () => {
    for (const withCovariance of [true, false]) {
      const moments = new Moments(5, 3, { withCovariance })
      await moments.add(plainProducts, part(x, 0, 120), part(y, 0, 120))
      const again = Moments.of(structuredClone(moments.state))
      assert.deepEqual(again.state, moments.state)
      await again.add(plainProducts, part(x, 120, 300), part(y, 120, 300))
      await moments.add(plainProducts, part(x, 120, 300), part(y, 120, 300))
      assert.deepEqual(again.state, moments.state)
    }
    const { state } = new Moments(5, 3)
    assert.throws(() => Moments.of({ ...state, yy: new Float64Array(2) }), /need 3 numbers as yy, got 2/)
  })

  it('of inputs alone have no targets', async () => {
    const moments = new Moments(5)
    await moments.add(plainProducts, x)
    assert.equal(moments.targetVariances.length, 0)
    assert.equal(moments.crossCovariance.data.length, 0)
  })

  it('refuse rows of another size, and other moments of another size', async () => {
    await assert.rejects(new Moments(4).add(plainProducts, x), /4 inputs and 0 outputs got 300×5 and 0×0/)
    await assert.rejects(new Moments(5, 3).add(plainProducts, x, part(y, 0, 9)), /got 300×5 and 9×3/)
    assert.throws(() => new Moments(5).merge(new Moments(4)), /do not merge/)
  })
})
