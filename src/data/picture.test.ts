import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { orient } from './picture.ts'

/** A picture of 3 columns and 2 rows from its red values. */
const picture = { width: 3, height: 2, data: Uint8Array.from([1, 2, 3, 4, 5, 6].flatMap((red) => [red, red, red])) }

/** What each EXIF orientation makes of 1 2 3 / 4 5 6. */
const upright: Readonly<Record<number, readonly number[]>> = {
  1: [1, 2, 3, 4, 5, 6],
  2: [3, 2, 1, 6, 5, 4],
  3: [6, 5, 4, 3, 2, 1],
  4: [4, 5, 6, 1, 2, 3],
  5: [1, 4, 2, 5, 3, 6],
  6: [4, 1, 5, 2, 6, 3],
  7: [6, 3, 5, 2, 4, 1],
  8: [3, 6, 2, 5, 1, 4],
}

describe('orient', () => {
  for (const [orientation, expected] of Object.entries(upright))
    it(`turns EXIF orientation ${orientation} upright`, () => {
      const result = orient(picture, Number(orientation))
      assert.deepEqual([result.width, result.height], Number(orientation) >= 5 ? [2, 3] : [3, 2])
      assert.deepEqual(
        [...result.data].filter((_, index) => index % 3 === 0),
        expected,
      )
    })
})
