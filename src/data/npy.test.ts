import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readIdxHeader } from './idx.ts'
import { readNpyHeader } from './npy.ts'

function npy(header: string, version = 1): Uint8Array {
  const text = new TextEncoder().encode(header)
  const length = version === 1 ? [text.length & 255, text.length >> 8] : [text.length & 255, text.length >> 8, 0, 0]
  return Uint8Array.from([0x93, ...new TextEncoder().encode('NUMPY'), version, 0, ...length, ...text])
}

describe('readNpyHeader', () => {
  it('reads type, shape and where the values begin, in versions 1 and 2', () => {
    const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n"
    assert.deepEqual(readNpyHeader(npy(header), 'a.npy'), {
      dtype: 'float32',
      shape: [2, 3],
      offset: 10 + header.length,
    })
    assert.equal(readNpyHeader(npy(header, 2), 'a.npy').offset, 12 + header.length)
    assert.deepEqual(readNpyHeader(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (7,)}"), 'a.npy').shape, [7])
  })

  for (const [what, header, message] of [
    ['Fortran order', "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}", /Fortran order/],
    ['big-endian numbers', "{'descr': '>f4', 'fortran_order': False, 'shape': (2,)}", />f4/],
    ['a structure', "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", /no plain array/],
    ['text', "{'descr': '<U5', 'fortran_order': False, 'shape': (2,)}", /<U5/],
  ] as const)
    it(`refuses ${what}`, () => {
      assert.throws(() => readNpyHeader(npy(header), 'a.npy'), message)
    })

  it('refuses a header that is cut off', () => {
    assert.throws(() => readNpyHeader(npy('{').subarray(0, 9), 'a.npy'), /a\.npy.*cut off/)
  })
})

describe('readIdxHeader', () => {
  it('reads type, sizes and where the values begin', () => {
    const bytes = Uint8Array.of(0, 0, 8, 3, 0, 0, 1, 0, 0, 0, 0, 28, 0, 0, 0, 27)
    assert.deepEqual(readIdxHeader(bytes, 'i'), { dtype: 'uint8', shape: [256, 28, 27], offset: 16 })
  })

  it('refuses anything else', () => {
    assert.throws(() => readIdxHeader(Uint8Array.of(1, 2, 3, 4), 'i'), /i: it does not begin like an idx file/)
  })
})
