import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { figureOf, pairOf } from './figures.ts'
import { perplexity } from './perplexity.ts'

const sample = (rows: readonly (readonly number[])[], label: readonly number[]) => ({
  id: 's',
  inputs: {},
  outputs: {
    y: {
      dtype: 'float32' as const,
      dims: [1, rows.length, rows[0]?.length ?? 0],
      data: Float32Array.from(rows.flat()),
    },
  },
  label,
})

describe('perplexity', () => {
  it('is the number of tokens that a model hesitates between', () => {
    const even = perplexity.score(
      sample(
        [
          [3, 3, 3, 3],
          [0, 0, 0, 0],
          [9, 0, 0, 0],
        ],
        [1, 2, -1],
      ),
    )
    assert.ok(Math.abs(figureOf(perplexity, [even]).value - 4) < 1e-9)
    const sure = perplexity.score(sample([[0, 50]], [1]))
    assert.ok(Math.abs(figureOf(perplexity, [even, sure]).value - 4 ** (2 / 3)) < 1e-9)
  })

  it('takes probabilities as they are', () => {
    assert.ok(Math.abs(figureOf(perplexity, [perplexity.score(sample([[0.25, 0.75]], [0]))]).value - 4) < 1e-6)
  })

  it('is better where it is lower, and says so in a pair', () => {
    const [before, after] = [
      [[1], [2], [3]],
      [[1.5], [2.5], [3.5]],
    ]
    const pair = pairOf(perplexity, before, after)
    assert.deepEqual([pair?.lowerIsBetter, (pair?.interval.low ?? 0) > 0], [true, true])
  })

  it('leaves positions without a label out, and refuses tokens that the model does not have', () => {
    assert.equal(perplexity.score(sample([[1, 2]], [-1])), undefined)
    assert.throws(() => perplexity.score(sample([[1, 2]], [2])), /a token is 2, but the model tells 2 apart/)
  })
})
