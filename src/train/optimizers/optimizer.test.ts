import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { adam, globalNorm, type Optimizer, sgd } from './optimizer.ts'
import { constant, cosine, stepwise, warmUp } from './schedule.ts'

interface Case {
  input: { p: number[]; grads: number[][] }
  options: { optimizer: string; lr: number; momentum?: number; weightDecay?: number }
  expected: { steps: number[][] }
}
const { cases } = JSON.parse(readFileSync(new URL('./fixtures/optimizers.json', import.meta.url), 'utf8')) as {
  cases: Case[]
}

function optimizerOf({ optimizer, momentum = 0 }: Case['options']): Optimizer {
  if (optimizer === 'adam') return adam()
  if (optimizer === 'adamw') return adam({ decoupled: true })
  return sgd({ momentum, nesterov: optimizer === 'nesterov' })
}

describe('optimisers take the steps of an independent implementation', () => {
  for (const { input, options, expected } of cases)
    it(options.optimizer, () => {
      const optimizer = optimizerOf(options)
      const values = Float64Array.from(input.p)
      const moments = Array.from({ length: optimizer.moments }, () => new Float64Array(values.length))
      for (const [i, gradient] of input.grads.entries()) {
        const step = { rate: options.lr, decay: options.weightDecay ?? 0, step: i + 1 }
        optimizer.update(values, Float64Array.from(gradient), moments, step)
        for (const [j, value] of expected.steps[i]!.entries())
          assert.ok(Math.abs(values[j]! - value) <= 1e-10 * Math.max(1, Math.abs(value)), `step ${i} [${j}]`)
      }
    })
})

describe('schedules', () => {
  it('falls as half a cosine from 1 to the floor', () => {
    assert.equal(cosine()(0, 100, 0), 1)
    assert.ok(Math.abs(cosine(0.1)(50, 100, 0) - 0.55) < 1e-12)
    assert.ok(Math.abs(cosine(0.1)(100, 100, 0) - 0.1) < 1e-12)
  })

  it('steps down by a factor every few epochs', () => {
    assert.deepEqual(
      [0, 1, 2, 3].map((epoch) => stepwise(0.5, 2)(0, 1, epoch)),
      [1, 1, 0.5, 0.5],
    )
  })

  it('warms up linearly, then follows the schedule', () => {
    const schedule = warmUp(4, constant)
    assert.deepEqual(
      [0, 1, 3, 9].map((step) => schedule(step, 10, 0)),
      [0.25, 0.5, 1, 1],
    )
  })
})

describe('globalNorm', () => {
  it('is the length of all gradients together, and not finite when one number is not', () => {
    assert.equal(globalNorm([Float32Array.of(3), Float32Array.of(0, 4)]), 5)
    assert.ok(Number.isNaN(globalNorm([Float32Array.of(1, Number.NaN)])))
  })
})
