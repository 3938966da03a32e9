// Numbers that are the same up to rounding.
import assert from 'node:assert/strict'

/** Each number is within `tolerance` of the expected one. */
export function assertNear(
  got: ArrayLike<number> | undefined,
  expected: ArrayLike<number>,
  tolerance: number,
  what = 'it',
): void {
  assert.equal(got?.length, expected.length, `length of ${what}`)
  for (let i = 0; i < expected.length; i++) {
    const [a = Number.NaN, b = 0] = [got?.[i], expected[i]]
    assert.ok(Math.abs(a - b) <= tolerance, `${what}[${i}]: ${a}, expected ${b} ± ${tolerance}`)
  }
}

/** The same with a share of the largest number that is expected as the tolerance. */
export function assertNearShare(
  got: ArrayLike<number> | undefined,
  expected: ArrayLike<number>,
  share: number,
  what = 'it',
): void {
  let largest = 0
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i] ?? 0))
  assertNear(got, expected, share * largest, what)
}
