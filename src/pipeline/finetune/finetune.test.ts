import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { CancelledError } from '../../base/index.ts'
import { parseRecipe } from '../../recipe/index.ts'
import type { TrainableModel, TrainState, Tuned } from '../../train/index.ts'
import { Checkpoint } from './checkpoint.node.ts'
import { batchNote, notBetterNote, trainedLayers } from './notes.ts'
import { augmentationOf, epochsOf, optimizerOf, scheduleOf } from './settings.ts'
import { trainingShares } from './shares.ts'

const recipe = (more: object = {}) => parseRecipe('finetune', { model: 'm.onnx', data: 'd', ...more })

describe('the samples of a training', () => {
  it('are those that the report does not get; a tenth of many chooses between epochs', () => {
    const few = trainingShares(100, recipe())
    assert.deepEqual([few.train.length, few.validation.length, few.guard.length, few.report.length], [75, 0, 0, 25])
    const many = trainingShares(10_000, recipe())
    assert.deepEqual([many.train.length, many.validation.length, many.report.length], [8100, 900, 1000])
    assert.deepEqual(new Set([...many.train, ...many.validation, ...many.report]).size, 10_000)
  })

  it('are all of them where others are scored, and as many of them as are asked for', () => {
    assert.equal(trainingShares(100, recipe({ val: 'v' })).train.length, 100)
    assert.equal(trainingShares(100, recipe({ samples: 10 })).train.length, 10)
    assert.equal(trainingShares(100, recipe({ holdBack: 20 })).validation.length, 20)
  })

  it('keep some to judge a quantised result by, where too few are held back for that', () => {
    assert.equal(trainingShares(64, recipe({ qat: true })).guard.length, 6)
    assert.equal(trainingShares(8, recipe({ qat: true })).guard.length, 0)
  })

  it('leave out what the command before kept', () => {
    const { train, report } = trainingShares(8, recipe(), [0, 7])
    assert.deepEqual(
      [train, report],
      [
        [1, 2, 3, 4, 5, 6],
        [0, 7],
      ],
    )
  })
})

describe('the settings of a training', () => {
  it('go through a small set more often', () => {
    assert.deepEqual(
      [32, 320, 32_000].map((samples) => epochsOf(recipe(), samples)),
      [100, 60, 3],
    )
    assert.equal(epochsOf(recipe({ epochs: 7 }), 32), 7)
  })

  it('warm up over a twentieth of the steps, from scratch not at all', () => {
    const rate = (more: object, step: number) =>
      scheduleOf(recipe({ schedule: 'constant', ...more }), 3, 100)(step, 100, 0)
    assert.ok(rate({}, 0) < rate({}, 4) && rate({}, 4) <= 1)
    assert.equal(rate({}, 50), 1)
    assert.equal(rate({ fromScratch: true }, 0), 1)
  })

  it('know every optimiser of the recipe', () => {
    for (const optimizer of ['adam', 'adamw', 'muon', 'sgd', 'momentum', 'nesterov'])
      assert.equal(typeof optimizerOf(recipe({ optimizer })), 'object', optimizer)
  })

  it('blend only samples that need no label', () => {
    const trainable = (labels: boolean) => ({ graph: { needs: { labels } } }) as unknown as TrainableModel
    assert.throws(() => augmentationOf(recipe({ mix: true }), trainable(true)), /--mix needs a loss without labels/)
    assert.deepEqual(augmentationOf(recipe({ mix: true, shift: 2 }), trainable(false)), {
      flip: false,
      shift: 2,
      mix: true,
    })
    assert.equal(augmentationOf(recipe(), trainable(true)), undefined)
  })
})

describe('what a training tells', () => {
  it('counts layers, not their scales, and names those that the loss does not reach', () => {
    const parameter = (node: string, kind: string) => ({ node, kind })
    const graph = {
      parameters: [parameter('a', 'weight'), parameter('a', 'bias'), parameter('c', 'scale')],
      untrained: [parameter('b', 'weight'), parameter('a', 'bias')],
    }
    assert.deepEqual(trainedLayers({ graph } as unknown as TrainableModel), { trained: 1, asked: 2, untrained: ['b'] })
  })

  it('says how the two stood where nothing became better', () => {
    const judged = { samples: 6, before: { kl: 0.01, db: 20 }, after: { kl: 0.02, db: 18.25 } }
    assert.equal(
      notBetterNote({ judged } as unknown as Tuned, true),
      'training made nothing better on the held-back samples (6 samples: KL 0.010, SQNR 20.0 dB before, KL 0.020, SQNR 18.3 dB after): the result is the quantised model before training',
    )
    assert.match(notBetterNote({} as Tuned, false), /held-back samples: the result is the model as it came/)
  })

  it('says how a step is made of runs', () => {
    assert.match(batchNote(8, 8), /8 samples at a time; a step is one run/)
    assert.match(batchNote(8, 1), /1 sample at a time; a step is the gradients of 8 runs/)
  })
})

describe('a checkpoint', () => {
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-checkpoint-'))
  after(() => rmSync(folder, { recursive: true }))
  const output = join(folder, 'm.tuned.onnx')
  const state = (epoch: number): TrainState => ({
    ...{ epoch, stepInEpoch: 0, step: 10 * epoch, lossSum: 0, rateFactor: 1, halvings: 0 },
    ...{
      values: new Map([['w', Float32Array.of(1, 2)]]),
      moments: new Map(),
      best: undefined,
      history: [],
      losses: [],
    },
  })
  const model = tinyModel('x[N,4] -> Gemm 4->4 -> y')
  const trainable = { exported: () => model } as unknown as TrainableModel

  it('says so when there is none', async () => {
    assert.match(
      (await new Checkpoint(recipe(), output, 9).read()).note,
      /there was no checkpoint .*tuned.onnx.checkpoint/,
    )
  })

  it('leaves the best model so far after an interruption, and nothing once it is removed', async () => {
    const checkpoint = new Checkpoint(recipe(), output, 9)
    const interrupted = checkpoint.keepBest(trainable, async (save) => {
      await save(state(1))
      throw new CancelledError('interrupted')
    })
    await assert.rejects(interrupted, /the best model so far is .*m.tuned.best.onnx, --resume goes on from/)
    assert.ok(existsSync(join(folder, 'm.tuned.best.onnx')))
    assert.match((await checkpoint.read()).note, /resumed after 1 epochs and 10 steps/)
    await checkpoint.remove()
    assert.ok(!existsSync(join(folder, 'm.tuned.best.onnx')) && !existsSync(`${output}.checkpoint`))
  })

  it('lets other errors through', async () => {
    const failed = new Checkpoint(recipe(), output, 9).keepBest(trainable, async () => {
      throw new Error('another')
    })
    await assert.rejects(failed, /^Error: another/)
    writeFileSync(`${output}.checkpoint`, 'nonsense')
    await assert.rejects(new Checkpoint(recipe(), output, 9).read())
  })
})
