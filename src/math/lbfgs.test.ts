import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { minimizeInBox, type Objective } from './lbfgs.ts'

const free = (n: number) => ({
  lower: new Float64Array(n).fill(Number.NEGATIVE_INFINITY),
  upper: new Float64Array(n).fill(Number.POSITIVE_INFINITY),
})

/** Rosenbrock's valley in pairs; minimum 0 at all ones. */
const rosenbrock: Objective = (x, gradient) => {
  let sum = 0
  for (let i = 0; i < x.length; i += 2) {
    const [a, b] = [x[i] ?? 0, x[i + 1] ?? 0]
    sum += 100 * (b - a * a) ** 2 + (1 - a) ** 2
    gradient[i] = -400 * a * (b - a * a) - 2 * (1 - a)
    gradient[i + 1] = 200 * (b - a * a)
  }
  return sum
}

describe('minimising in a box', () => {
  it('finds the end of a curved valley', async () => {
    const { at, value } = await minimizeInBox(rosenbrock, Float64Array.from([-1.2, 1, 0.5, -1]), {
      ...free(4),
      iterations: 500,
    })
    assert.ok(value < 1e-9)
    for (const x of at) assert.ok(Math.abs(x - 1) < 1e-4)
  })

  it('stops at the bounds that keep it from the minimum', async () => {
    const bowl: Objective = (x, gradient) => {
      let sum = 0
      for (let i = 0; i < x.length; i++) {
        const off = (x[i] ?? 0) - i
        sum += (i + 1) * off * off
        gradient[i] = 2 * (i + 1) * off
      }
      return sum
    }
    const { at } = await minimizeInBox(bowl, new Float64Array(4), {
      lower: Float64Array.from([0.5, -9, -9, -9]),
      upper: Float64Array.from([9, 9, 1.5, 9]),
    })
    for (const [i, expected] of [0.5, 1, 1.5, 3].entries()) assert.ok(Math.abs((at[i] ?? 0) - expected) < 1e-5)
  })

  it('gives way between iterations and may be stopped there', async () => {
    await assert.rejects(
      minimizeInBox(rosenbrock, Float64Array.from([-1.2, 1]), {
        ...free(2),
        between: async (iteration) => {
          if (iteration === 3) throw new Error('enough')
        },
      }),
      /enough/,
    )
  })
})
