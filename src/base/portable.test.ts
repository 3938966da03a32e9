import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { exp, expm1, log, log1p, tanh } from './portable.ts'

let state = 1
const next = () => {
  state = (state * 1103515245 + 12345) % 2 ** 31
  return state / 2 ** 31
}
const many = (low: number, high: number) => Array.from({ length: 20_000 }, () => low + (high - low) * next())
const tiny = many(-330, -1).map((power) => (power % 2 < -1 ? -1 : 1) * 10 ** power)

/** Largest difference in units of the last place of the reference. */
function worst(ours: (x: number) => number, theirs: (x: number) => number, at: readonly number[]): number {
  return Math.max(
    ...at.map((x) => {
      const [a, b] = [ours(x), theirs(x)]
      if (Object.is(a, b)) return 0
      return Math.abs(a - b) / Math.max(Number.MIN_VALUE, 2 ** (Math.floor(Math.log2(Math.abs(b))) - 52))
    }),
  )
}

describe('portable functions', () => {
  const cases: readonly (readonly [string, (x: number) => number, (x: number) => number, number[], number])[] = [
    ['exp', exp, Math.exp, [...many(-745, 709), ...many(-1, 1), ...tiny], 1],
    ['log', log, Math.log, [...many(0, 2), ...many(0, 1e300), ...tiny.map(Math.abs), 5e-324], 1],
    ['expm1', expm1, Math.expm1, [...many(-40, 700), ...many(-1, 1), ...tiny], 4],
    ['log1p', log1p, Math.log1p, [...many(-1, 1), ...many(0, 1e300), ...tiny], 4],
    ['tanh', tanh, Math.tanh, [...many(-30, 30), ...many(-1, 1), ...tiny], 5],
  ]
  for (const [name, ours, theirs, at, units] of cases)
    it(`${name} is within ${units} units of the last place`, () => {
      const found = worst(ours, theirs, at)
      assert.ok(found <= units, `${found} units`)
    })

  it('have the limits of the language', () => {
    const limits = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1, -1, 710, -746]
    for (const [name, ours, theirs] of cases)
      for (const x of limits) {
        const [a, b] = [ours(x), theirs(x)]
        assert.ok(Object.is(a, b) || Math.abs(a - b) <= 1e-15 * Math.abs(b), `${name}(${x}) is ${a}, not ${b}`)
      }
  })

  it('give these bits on every engine', () => {
    const bits = [exp(1), log(10), expm1(0.1), log1p(0.1), tanh(0.5)].map((x) =>
      new BigUint64Array(Float64Array.of(x).buffer)[0]?.toString(16),
    )
    assert.deepEqual(bits, [
      '4005bf0a8b14576a',
      '40026bb1bbb55516',
      '3fbaec7b35a00d3a',
      '3fb8663f793c46c7',
      '3fdd9353d7568af4',
    ])
  })
})
