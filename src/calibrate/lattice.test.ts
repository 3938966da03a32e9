import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomStream } from '../math/index.ts'
import { Lattice } from './lattice.ts'

const random = randomStream(0, 'lattice')
const found = (samples: number, size: number, draw: () => number) => {
  const lattice = new Lattice()
  for (let i = 0; i < samples; i++) lattice.add(Float32Array.from({ length: size }, draw))
  return lattice.found
}

describe('the lattice of an input', () => {
  it('is found in pixels, whatever their unit', () => {
    assert.equal(
      found(4, 3000, () => (random.integer(0, 255) / 255 - 0.485) / 0.229),
      true,
    )
  })

  it('is not found in continuous values, nor in a few that never repeat', () => {
    assert.equal(found(4, 3000, random.normal), false)
    assert.equal(found(4, 16, random.normal), false)
    assert.equal(new Lattice().found, false)
  })
})
