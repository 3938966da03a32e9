import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import type { Picture } from './picture.ts'
import { resize } from './resize.ts'
import type { ResizeFilter } from './resize-kernel.ts'

interface Golden {
  readonly filter: ResizeFilter
  readonly from: readonly [number, number]
  readonly to: readonly [number, number]
  readonly rgb: string
}

const golden: { readonly cases: readonly Golden[] } = JSON.parse(
  readFileSync(new URL('./fixtures/pillow-resize.json', import.meta.url), 'utf8'),
)

/** Noise of a linear congruential generator, the same as in the script that asked Pillow. */
function noise(width: number, height: number): Picture {
  let state = width * 1000 + height
  const data = Uint8Array.from({ length: width * height * 3 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 24
  })
  return { width, height, data }
}

describe('resize', () => {
  for (const { filter, from, to, rgb } of golden.cases)
    it(`${filter} ${from.join('x')} to ${to.join('x')} gives the bytes of Pillow`, () => {
      const result = resize(noise(...from), to[0], to[1], { filter, antialias: true })
      assert.deepEqual([result.width, result.height], to)
      assert.equal(Buffer.from(result.data).toString('base64'), rgb)
    })

  for (const filter of ['bilinear', 'bicubic', 'nearest'] as const)
    it(`a window of a ${filter} resize is that part of the whole`, () => {
      const window = { left: 3, top: 2, width: 7, height: 5 }
      for (const [width, height] of [
        [16, 12],
        [37, 12],
        [16, 53],
        [37, 53],
        [50, 14],
      ] as const) {
        const whole = resize(noise(37, 53), width, height, { filter, antialias: true })
        const part = resize(noise(37, 53), width, height, { filter, antialias: true, window })
        for (let row = 0; row < window.height; row++) {
          const start = ((window.top + row) * width + window.left) * 3
          const expected = whole.data.subarray(start, start + window.width * 3)
          assert.deepEqual([...part.data.subarray(row * 21, row * 21 + 21)], [...expected])
        }
      }
    })

  it('keeps a flat picture flat', () => {
    const flat = { width: 31, height: 17, data: new Uint8Array(31 * 17 * 3).fill(201) }
    for (const filter of ['bilinear', 'bicubic'] as const)
      assert.ok(resize(flat, 12, 40, { filter, antialias: true }).data.every((value) => value === 201))
  })

  it('without antialiasing looks only at the nearest pixels', () => {
    const line = { width: 8, height: 1, data: new Uint8Array(24).map((_, index) => (index < 3 ? 255 : 0)) }
    const plain = resize(line, 2, 1, { filter: 'bilinear', antialias: false })
    const smooth = resize(line, 2, 1, { filter: 'bilinear', antialias: true })
    assert.equal(plain.data[0], 0)
    assert.ok(smooth.data[0]! > 0)
  })
})
