import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomStream } from '../../math/index.ts'
import { copyPicture, mixSamples } from './augment.ts'

describe('mixSamples', () => {
  it('puts every sample on the way to its neighbour, the last one to the first, and leaves padding', () => {
    const data = Float32Array.of(0, 0, 10, 20, 100, 300, 7, 7)
    mixSamples(data, 3, 2, randomStream(1, 'mix'))
    const share = (value: number, from: number, to: number) => (value - from) / (to - from)
    for (const [a, b] of [
      [share(data[0]!, 0, 10), share(data[1]!, 0, 20)],
      [share(data[2]!, 10, 100), share(data[3]!, 20, 300)],
      [share(data[4]!, 100, 0), share(data[5]!, 300, 0)],
    ] as const) {
      assert.ok(Math.abs(a - b) < 1e-5, 'one share a sample')
      assert.ok(a > 0 && a < 1, `a share of ${a}`)
    }
    assert.deepEqual([...data.subarray(6)], [7, 7])
  })

  it('leaves a single sample as it is', () => {
    const data = Float32Array.of(1, 2)
    mixSamples(data, 1, 2, randomStream(1, 'mix'))
    assert.deepEqual([...data], [1, 2])
  })
})

describe('copyPicture', () => {
  it('moves all channels together and repeats the border', () => {
    const source = Float32Array.from({ length: 18 }, (_, i) => i)
    const target = new Float32Array(18)
    copyPicture(target, { data: source, dims: [2, 3, 3] }, { flip: true, shift: 1 }, randomStream(3, 'picture'))
    for (let i = 0; i < 9; i++) assert.equal(target[i + 9]! - target[i]!, 9)
    assert.ok(
      target.every((value) => source.includes(value)),
      'only pixels of the picture',
    )
  })
})
