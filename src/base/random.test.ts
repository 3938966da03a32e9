import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomStream } from './random.ts'

describe('random streams', () => {
  it('the same seed and purpose give the same numbers, another purpose gives others', () => {
    const first = randomStream(1, 'a')
    const again = randomStream(1, 'a')
    const other = randomStream(1, 'b')
    const values = Array.from({ length: 1000 }, () => first.next())
    assert.deepEqual(
      values,
      Array.from({ length: 1000 }, () => again.next()),
    )
    assert.notEqual(values[0], other.next())
    assert.ok(Math.abs(values.reduce((a, b) => a + b) / 1000 - 0.5) < 0.05)
  })

  it('normal numbers have mean 0 and deviation 1', () => {
    const random = randomStream(3, 'normal')
    const values = Array.from({ length: 20_000 }, () => random.normal())
    const mean = values.reduce((a, b) => a + b) / values.length
    const square = values.reduce((a, b) => a + b * b, 0) / values.length
    assert.ok(Math.abs(mean) < 0.03 && Math.abs(square - 1) < 0.05)
  })

  it('integers reach both ends, shuffling keeps every item', () => {
    const random = randomStream(3, 'whole')
    const seen = new Set(Array.from({ length: 200 }, () => random.integer(2, 4)))
    assert.deepEqual([...seen].sort(), [2, 3, 4])
    assert.deepEqual(random.shuffle([1, 2, 3, 4, 5]).sort(), [1, 2, 3, 4, 5])
  })
})
