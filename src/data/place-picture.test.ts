import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { InputError } from '../base/index.ts'
import type { Picture } from './picture.ts'
import { placePicture } from './place-picture.ts'

/** Every pixel holds its column, its row and 0. */
function ramp(width: number, height: number): Picture {
  const data = new Uint8Array(width * height * 3)
  for (let index = 0; index < width * height; index++) {
    data[index * 3] = index % width
    data[index * 3 + 1] = Math.floor(index / width)
  }
  return { width, height, data }
}

const sizeOf = ({ width, height }: Picture) => [width, height]

describe('placePicture', () => {
  it('makes the longer side floor(long * resizeShortSide / short)', () => {
    assert.deepEqual(sizeOf(placePicture(ramp(50, 37), { resizeShortSide: 25 })), [33, 25])
    assert.deepEqual(sizeOf(placePicture(ramp(37, 50), { resizeShortSide: 25 })), [25, 33])
  })

  it('leaves the pixels alone when the shorter side fits already', () => {
    assert.deepEqual(placePicture(ramp(9, 6), { resizeShortSide: 6 }).data, ramp(9, 6).data)
  })

  it('crops a centred square whose corner is floor((size - crop) / 2)', () => {
    const square = placePicture(ramp(10, 7), { crop: 4 })
    assert.deepEqual(sizeOf(square), [4, 4])
    assert.deepEqual([square.data[0], square.data[1]], [3, 1])
  })

  it('stretches to [height, width]', () => {
    assert.deepEqual(sizeOf(placePicture(ramp(10, 7), { resizeTo: [20, 5] })), [5, 20])
  })

  it('letterboxes: keeps the aspect ratio, centres, fills', () => {
    const picture = placePicture(ramp(10, 5), { resizeTo: [11, 10], resizeMode: 'letterbox', fill: [1, 2, 3] })
    assert.deepEqual(sizeOf(picture), [10, 11])
    const pixel = (column: number, row: number) => [...picture.data.subarray((row * 10 + column) * 3).subarray(0, 3)]
    assert.deepEqual(pixel(0, 2), [1, 2, 3])
    assert.deepEqual(pixel(0, 3), [0, 0, 0])
    assert.deepEqual(pixel(9, 7), [9, 4, 0])
    assert.deepEqual(pixel(9, 8), [1, 2, 3])
  })

  it('refuses a picture smaller than the crop, with both sizes', () => {
    assert.throws(
      () => placePicture(ramp(10, 7), { crop: 8 }),
      (error) => {
        assert.ok(error instanceof InputError)
        assert.match(error.message, /10x7.*square of 8/)
        return true
      },
    )
  })
})
