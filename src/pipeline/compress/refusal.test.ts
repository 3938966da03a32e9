import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bytesBudget } from './budgets/bytes.ts'
import { latencyBudget } from './budgets/latency.ts'
import { macsBudget } from './budgets/macs.ts'
import type { Plan, PlansAt } from './plan.ts'
import { explainRefusal, tooFar } from './refusal.ts'

const plansAt: PlansAt = (ratios) =>
  ratios.map((ratio): Plan => ({ method: 'fake', splits: {}, channels: {}, losses: {}, ratio }))

/** Why half of the MACs is refused, when models agree with the original as `agreement` says. */
const refused = (agreement: (ratio: number) => number, more: object = {}) =>
  explainRefusal({
    ...{ budget: macsBudget([0.5]), target: 0.5, far: 'it is far', plansAt },
    compare: async ({ ratio }) => ({ samples: 10, agreement: agreement(ratio), kl: 0, sqnrDb: {} }),
    ...more,
  })

describe('a result that is too far from the original', () => {
  it('is one that agrees with it on less than three quarters of the samples', () => {
    const compared = { samples: 100, kl: 2, sqnrDb: { y: -3 } }
    assert.equal(tooFar({ ...compared, agreement: 0.75 }), undefined)
    assert.match(tooFar({ ...compared, agreement: 0.74 }) ?? '', /agrees with the original on 74 % \(KL 2.00 nats\)/)
  })

  it('is of other models one whose first output has less than 5 dB', () => {
    assert.match(tooFar({ samples: 1, sqnrDb: { y: 4.9, z: 40 } }) ?? '', /an SQNR of 4.9 dB on held-back samples/)
    for (const y of [5, null]) assert.equal(tooFar({ samples: 1, sqnrDb: { y } }), undefined)
  })
})

describe('a refusal', () => {
  it('names the strongest of the milder models that does its job', async () => {
    assert.equal(
      await refused((ratio) => (ratio > 0.7 ? 0.9 : 0.5)),
      '0.5 of the MACs is refused: it is far; the strongest that was found to do is 0.75 (agreement 90 %); --force writes it all the same',
    )
  })

  it('says that there is no slack where even the mildest one fails', async () => {
    assert.match(await refused(() => 0.5), /; even 0.975 fails \(agreement 50 %\): its layers have no slack/)
  })

  it('says so where no milder one is in reach', async () => {
    assert.match(await refused(() => 1, { plansAt: () => [{ refused: '' }] }), /; no milder one is in reach; --force/)
  })

  it('looks for no milder one where times are asked for, or nothing is', async () => {
    const never = () => assert.fail('compared')
    const budget = latencyBudget([0.5], 16)
    assert.equal(
      await refused(never, { budget }),
      '0.5 of the latency is refused: it is far; --force writes it all the same',
    )
    assert.match(await refused(never, { target: undefined }), /^the result is refused: it is far; --force/)
    assert.match(await refused(() => 1, { budget: bytesBudget([0.5]) }), /^0.5 of the parameter bytes is refused/)
  })
})
