import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { curvesOf } from './curves.ts'

const event = (fields: object) => ({ step: 'train', done: 1, total: 9, at: 5, ...fields })
const valuesOf = (events: readonly ReturnType<typeof event>[]) =>
  Object.fromEntries([...curvesOf(events)].map(([name, points]) => [name, points.map(({ value }) => value)]))

describe('curves of a run', () => {
  it('are of every number that an event carries, and not of its place', () => {
    const events = [
      event({ loss: 2, 'top1 held back': 0.5 }),
      event({ loss: 1 }),
      event({ loss: Number.NaN, note: 'x' }),
    ]
    assert.deepEqual(valuesOf(events), { loss: [2, 1], 'top1 held back': [0.5] })
  })

  it('read a figure in words only where no field holds it', () => {
    assert.deepEqual(valuesOf([event({ message: 'epoch 2, loss 0.25, lr=1e-3', loss: 0.2512 })]), {
      loss: [0.2512],
      lr: [0.001],
    })
  })

  it('are thinned to what a screen can show, first and last kept', () => {
    const points = curvesOf(Array.from({ length: 10_001 }, (_, loss) => event({ loss }))).get('loss') ?? []
    assert.equal(points.length, 600)
    assert.deepEqual([points[0]?.value, points.at(-1)], [0, { index: 10_001, value: 10_000 }])
  })
})
