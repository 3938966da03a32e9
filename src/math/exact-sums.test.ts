import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ExactSums } from './exact-sums.ts'

const sumOf = (numbers: readonly number[]): ExactSums => {
  const sums = new ExactSums(1)
  for (const number of numbers) sums.add(0, number)
  return sums
}

/** Numbers of very different sizes, which cancel now and then. */
const numbers = fc.array(
  fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.double({ min: -1, max: 1, noNaN: true })),
  { maxLength: 40 },
)

/** The exact sum as an integer times 2^-1100. */
function exact(list: readonly number[]): bigint {
  const bits = new DataView(new ArrayBuffer(8))
  return list.reduce((sum, number) => {
    bits.setFloat64(0, number)
    const word = bits.getBigUint64(0)
    const exponent = Number((word >> 52n) & 0x7ffn)
    const fraction = word & 0xfffffffffffffn
    const size = (exponent === 0 ? fraction : fraction | (1n << 52n)) << BigInt(Math.max(exponent, 1) - 1075 + 1100)
    return number < 0 ? sum - size : sum + size
  }, 0n)
}

describe('exact sums', () => {
  it('are nearest to the true sum: no other number is nearer', () => {
    fc.assert(
      fc.property(numbers, (list) => {
        const got = sumOf(list).value(0)
        const distance = (value: number) => {
          const difference = exact([value]) - exact(list)
          return difference < 0n ? -difference : difference
        }
        const step = Math.max(Number.MIN_VALUE, Math.abs(got) * Number.EPSILON)
        for (const other of [got - step, got + step, got - step / 2, got + step / 2])
          assert.ok(distance(got) <= distance(other), `${got}, and ${other} is nearer`)
      }),
    )
  })

  it('do not depend on the order, the split, or how parts were merged', () => {
    fc.assert(
      fc.property(numbers, numbers, numbers, (a, b, c) => {
        const whole = sumOf([...a, ...b, ...c]).value(0)
        assert.equal(sumOf([...c, ...a.toReversed(), ...b]).value(0), whole)
        const [left, right] = [sumOf(a), sumOf(c)]
        right.merge(sumOf(b))
        left.merge(right)
        assert.equal(left.value(0), whole)
      }),
    )
  })

  it('keep what a plain sum drops', () => {
    assert.equal(1e100 + 1 - 1e100, 0)
    assert.equal(sumOf([1e100, 1, -1e100]).value(0), 1)
    assert.equal(sumOf([2 ** 53, 1, 2 ** -60]).value(0), 2 ** 53 + 2)
    assert.equal(sumOf([2 ** 53, 1]).value(0), 2 ** 53)
    assert.equal(sumOf([2 ** 53, 1, -(2 ** -60)]).value(0), 2 ** 53)
  })

  it('come back from their parts', () => {
    fc.assert(
      fc.property(numbers, (list) => {
        const sums = sumOf(list)
        assert.equal(sumOf(sums.parts(0)).value(0), sums.value(0))
      }),
    )
  })

  it('stand side by side, and say what is not finite', () => {
    const sums = new ExactSums(3)
    for (const value of [1, Number.POSITIVE_INFINITY, 2]) sums.add(1, value)
    sums.add(2, 0.5)
    assert.deepEqual(
      [0, 1, 2].map((i) => sums.value(i)),
      [0, Number.POSITIVE_INFINITY, 0.5],
    )
  })
})
