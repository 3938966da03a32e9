// Pictures depend on the seed and the purpose alone, and show what their label says.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomStream } from '../src/math/index.ts'
import { drawPicture, drawSet, SIDE } from './draw.ts'
import { shapes } from './shapes.ts'

describe('the drawn pictures', () => {
  it('are the same for the same seed and purpose, and others for another', () => {
    const bytes = (seed: number, purpose: string) => drawSet(seed, purpose, 20)
    assert.deepEqual(bytes(1, 'a'), bytes(1, 'a'))
    assert.notDeepEqual(bytes(1, 'a'), bytes(2, 'a'))
    assert.notDeepEqual(bytes(1, 'a'), bytes(1, 'b'))
  })

  it('are planes of R, G, B with equally many labels of each shape', () => {
    const set = drawSet(1, 'counts', 30)
    assert.ok(set.every(({ planes }) => planes.length === 3 * SIDE * SIDE))
    for (const label of shapes.keys()) assert.equal(set.filter((drawing) => drawing.label === label).length, 3)
  })

  it('differ with the shape when nothing else does', () => {
    const pictures = [...shapes.keys()].map((label) => drawPicture(label, randomStream(5, 'same for all')))
    assert.equal(new Set(pictures.map(({ planes }) => planes.join())).size, shapes.length)
  })

  it('have soft edges: a large circle on a plain ground has pixels between the two colours', () => {
    const { planes } = drawPicture(0, randomStream(2, 'edges'), 0)
    assert.ok(new Set(planes.subarray(0, SIDE * SIDE)).size > 20)
  })
})
