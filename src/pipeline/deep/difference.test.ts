import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TensorValue } from '../../base/index.ts'
import { PieceDifference } from './difference.ts'

const codes = (...data: number[]): TensorValue => ({ dtype: 'uint8', dims: [data.length], data: Uint8Array.from(data) })
const floats = (...data: number[]): TensorValue => ({
  dtype: 'float32',
  dims: [data.length],
  data: Float32Array.from(data),
})
const between = (...pairs: readonly (readonly [TensorValue, TensorValue])[]) => {
  const difference = new PieceDifference()
  for (const [a, b] of pairs) difference.add(a, b)
  return difference
}

describe('the difference of a piece in two runtimes', () => {
  it('is a tie as long as no code is two steps away, in any sample', () => {
    const tie = between([codes(1, 2, 3, 4), codes(1, 3, 3, 4)])
    assert.deepEqual([tie.steps, tie.share, tie.differs, tie.sqnrDb], [1, 0.25, false, undefined])
    const apart = between([codes(1, 2), codes(1, 2)], [codes(200, 3), codes(2, 3)])
    assert.deepEqual([apart.steps, apart.share, apart.differs], [198, 0.25, true])
  })

  it('of floats is more than the order of sums below 60 dB, and above what a Sigmoid is right to', () => {
    assert.equal(between([floats(1, 2), floats(1, 2)]).sqnrDb, null)
    assert.equal(between([floats(1, 2), floats(1.0001, 2)]).differs, false)
    assert.equal(between([floats(1, 2), floats(1.1, 2)]).differs, true)
    assert.equal(between([floats(1e-7, 0), floats(3e-7, 0)]).differs, false)
    assert.equal(between([floats(1, 2), floats(Number.NaN, 2)]).differs, true)
  })
})
