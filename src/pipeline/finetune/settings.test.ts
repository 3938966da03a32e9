import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { assertNear } from '../../../test/support/assert-near.ts'
import { type FinetuneRecipe, parseRecipe } from '../../recipe/index.ts'
import type { TrainableModel, Tuned } from '../../train/index.ts'
import { batchNote, notBetterNote, trainedLayers } from './notes.ts'
import { augmentationOf, epochsOf, optimizerOf, ratesOf, scheduleOf } from './settings.ts'
import { trainingShares } from './shares.ts'

const recipe = (fields: Partial<FinetuneRecipe> = {}): FinetuneRecipe =>
  parseRecipe('finetune', { model: 'm.onnx', data: 'd', ...fields })

describe('how a training goes', () => {
  it('has the optimiser that is named', () => {
    for (const optimizer of ['adam', 'adamw', 'muon', 'sgd', 'momentum', 'nesterov'] as const)
      assert.equal(optimizerOf(recipe({ optimizer })).name, optimizer)
  })

  it('goes through few samples often, through many three times, or as often as it is told', () => {
    const epochs = (samples: number, more = {}) => epochsOf(recipe({ batch: 10, ...more }), samples)
    assert.equal(epochs(1_000_000), 3)
    assert.equal(epochs(200), 30, '600 steps of 20 batches')
    assert.equal(epochs(195), 30, 'the last batch may be short')
    assert.equal(epochs(5), 100)
    assert.equal(epochs(5, { epochs: 2 }), 2)
  })

  it('warms up over a twentieth of the steps, but not from nothing', () => {
    const rates = (fields: Partial<FinetuneRecipe>, ...steps: number[]) => {
      const schedule = scheduleOf(recipe(fields), 6, 100)
      return steps.map((step) => schedule(step, 100, Math.floor(step / 17)))
    }
    assertNear(rates({ schedule: 'constant' }, 0, 3, 4, 99), [0.2, 0.8, 1, 1], 1e-12)
    assert.deepEqual(rates({ schedule: 'constant', fromScratch: true }, 0), [1])
    assert.deepEqual(rates({ schedule: 'constant', warmUp: 2 }, 0, 1, 2), [0.5, 1, 1])
    // A tenth after each third of 6 epochs.
    assertNear(rates({ schedule: 'step', warmUp: 0 }, 0, 34, 68), [1, 0.1, 0.01], 1e-12)
    assertNear(rates({ schedule: 'cosine', warmUp: 0 }, 50), [0.5], 1e-12)
  })

  it('has the rate that is given, or one that fits what is trained', () => {
    const rates = (fields: Partial<FinetuneRecipe>, matched = false) =>
      Object.values(ratesOf(recipe(fields), { matched }))
    assert.deepEqual(rates({ lr: 0.5, optimizer: 'muon' }), [0.5, false])
    assert.deepEqual(rates({ optimizer: 'sgd' }), [0.01, false])
    assert.deepEqual(rates({ optimizer: 'adamw', fromScratch: true }), [0.001, false])
    assert.deepEqual(rates({ optimizer: 'adam' }), [0.003, true])
    assert.deepEqual(rates({ optimizer: 'adam', flip: true, teacher: 't.onnx' }), [0.006, true])
    assert.deepEqual(rates({ optimizer: 'adam', flip: true }), [0.003, true])
    assert.deepEqual(
      [rates({ optimizer: 'muon' }), rates({ optimizer: 'muon' }, true)],
      [
        [0.001, true],
        [0.003, true],
      ],
    )
  })

  it('moves and blends samples only where it is asked to, and blends none that have labels', () => {
    const graph = (labels: boolean) => ({ graph: { needs: { labels } } }) as TrainableModel
    assert.equal(augmentationOf(recipe(), graph(true)), undefined)
    assert.deepEqual(augmentationOf(recipe({ shift: 2 }), graph(true)), { flip: false, shift: 2, mix: false })
    assert.deepEqual(augmentationOf(recipe({ mix: true }), graph(false)), { flip: false, shift: 0, mix: true })
    assert.throws(() => augmentationOf(recipe({ mix: true }), graph(true)), {
      name: 'UsageError',
      message: 'a blend of two samples has no label: --mix needs a loss without labels, --loss distill',
    })
  })
})

describe('the samples of a training', () => {
  const shares = (size: number, more: Partial<FinetuneRecipe> = {}, heldBack?: number[]) =>
    trainingShares(size, recipe(more), heldBack)

  it('choose between epochs only where a tenth is enough to tell them apart', () => {
    assert.equal(shares(2000, { val: 'v' }).validation.length, 200)
    assert.equal(shares(1999, { val: 'v' }).validation.length, 0)
    assert.equal(shares(50_000, { val: 'v' }).validation.length, 1000)
    assert.equal(shares(100, { val: 'v', holdBack: 7 }).validation.length, 7)
    assert.equal(shares(3, { val: 'v', holdBack: 7 }).train.length, 1, 'one is left to train on')
  })

  it('guard a quantised result where there are few', () => {
    const few = shares(64, { val: 'v', qat: true })
    assert.deepEqual([few.guard.length, few.validation.length, few.train.length], [8, 0, 56])
    assert.equal(shares(8, { val: 'v', qat: true }).guard.length, 2)
    assert.equal(shares(7, { val: 'v', qat: true }).guard.length, 0)
    assert.equal(shares(64, { val: 'v', qat: true, holdBack: 4 }).guard.length, 0)
    assert.equal(shares(64, { val: 'v', qat: true, holdBack: 0 }).guard.length, 0)
    assert.equal(shares(64, { val: 'v' }).guard.length, 0)
  })

  it('are in one part each, and none that was kept before is trained on', () => {
    const sizes = fc.integer({ min: 2, max: 400 })
    const held = fc.uniqueArray(fc.nat({ max: 1 }), { maxLength: 1 })
    fc.assert(
      fc.property(
        sizes,
        fc.boolean(),
        fc.boolean(),
        fc.option(fc.nat({ max: 30 })),
        held,
        (size, qat, separate, back, kept) => {
          const more = { qat, ...(separate ? { val: 'v' } : {}), ...(back === null ? {} : { holdBack: back }) }
          const { train, validation, guard, report } = shares(size, more, kept.length > 0 ? kept : undefined)
          const used = [...train, ...validation, ...guard]
          assert.equal(new Set([...used, ...report]).size, used.length + report.length)
          assert.ok(train.length > 0 && used.every((index) => !kept.includes(index) && index < size))
        },
      ),
    )
  })
})

describe('notes on a training', () => {
  it('say that it made nothing better, and by how much', () => {
    const judged = { samples: 8, before: { kl: 0.0123, db: 20 }, after: { kl: 0.02, db: 18.26 } }
    assert.equal(
      notBetterNote({ judged } as Tuned, true),
      'training made nothing better on the held-back samples (8 samples: KL 0.012, SQNR 20.0 dB before, KL 0.020, SQNR 18.3 dB after): the result is the quantised model before training',
    )
    assert.match(notBetterNote({} as Tuned, false), /samples: the result is the model as it came$/)
  })

  it('count layers by their nodes, not by their arrays, and scales not at all', () => {
    const array = (kind: string, node: string) => ({ kind, node, name: `${kind} ${node}`, dims: [] })
    const parameters = [array('weight', 'a'), array('bias', 'a'), array('scale', 'x'), array('bias', 'b')]
    const untrained = [array('weight', 'b'), array('weight', 'c'), array('scale', 'd')]
    const found = trainedLayers({ graph: { parameters, untrained } } as unknown as TrainableModel)
    assert.deepEqual(found, { trained: 2, asked: 3, untrained: ['c'] })
  })

  it('say how a step is made of a fixed batch', () => {
    assert.equal(batchNote(8, 8), 'the model takes 8 samples at a time; a step is one run')
    assert.equal(batchNote(4, 1), 'the model takes 1 sample at a time; a step is the gradients of 4 runs')
  })
})
