import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { samplesOf, smallSearch } from '../../../test/support/small-search.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { RefusedError } from '../../base/index.ts'
import { batchNormSource } from './batch-norm-source.ts'
import type { RangeSource } from './build.ts'
import { storedSource } from './stored-source.ts'

const model = tinyModel('x[N,3,8,8] -> Conv 3x3 3->6 pads=1,1,1,1 -> a -> Relu -> Conv 3x3 6->4 -> y')
const rule = { name: 'a rewrite', kind: 'exact', boundDb: 100 } as const

describe('the candidates of a search', () => {
  it('are quantised when they are asked for, and once', async () => {
    const { context, naive } = await smallSearch(model)
    const known = (await naive.built()).statistics
    let asked = 0
    const ranges: RangeSource = (wanted) => {
      asked++
      return new Map(wanted.flatMap((value) => (known.has(value) ? [[value, known.get(value) as never]] : [])))
    }
    const candidate = context.candidate(naive, ranges)
    assert.equal(asked, 0)
    const [plain, built] = await Promise.all([candidate.plain(), candidate.built()])
    assert.ok(plain === built, 'two were built')
    await Promise.all([candidate.score(), candidate.score()])
    assert.equal(asked, 1)
  })

  it('reach as far as their form says, all that share a grid together', async () => {
    const { context, naive } = await smallSearch(model)
    const [value = ''] = (await naive.built()).plan.activations.keys()
    const before = (await naive.built()).plan.activations.get(value)
    const reach = (name: string) => (name === value ? { low: -50, high: 70 } : undefined)
    const wide = await context.candidate({ ...naive, reach }).built()
    const after = wide.plan.activations.get(value)
    assert.ok((before?.high ?? 70) < 60 && (after?.high ?? 0) > 69, `${before?.high} to ${after?.high}`)
    assert.ok((after?.low ?? 0) < -49, `${after?.low}`)
    // What was seen beyond a reach is held all the same.
    const near = await context.candidate({ ...naive, reach: () => ({ low: 0, high: 0.01 }) }).built()
    assert.ok((near.plan.activations.get(value)?.high ?? 0) >= (before?.high ?? 0) - 1e-6, 'the range got shorter')
  })

  it('keep their plain quantisation when they are corrected', async () => {
    const { context, naive } = await smallSearch(model)
    const other = { ...(await naive.built()) }
    const corrected = context.corrected(naive, other, [])
    assert.ok((await corrected.plain()) === (await naive.plain()), 'the plain one is another')
    assert.ok((await corrected.built()) === other, 'the corrected one is another')
  })

  it('have no score where nothing judges', async () => {
    const source = batchNormSource(new Map(), false)
    const { context, naive } = await smallSearch(model, { source })
    assert.deepEqual([context.judges, context.holdsBack, context.canTell], [false, false, false])
    await assert.rejects(naive.score(), /this search has no judge|BatchNormalization/)
  })
})

describe('what a search knows of its samples', () => {
  it('holds back some, but not of a single one', async () => {
    const one = await smallSearch(model, { samples: samplesOf(model, 1) })
    assert.deepEqual([one.context.judges, one.context.holdsBack, one.context.canTell], [true, false, false])
    const many = await smallSearch(model, { samples: samplesOf(model, 12) })
    assert.deepEqual([many.context.judges, many.context.holdsBack, many.context.canTell], [true, true, true])
    assert.equal(many.context.judge.samples, 3)
  })
})

describe('the proof of a rewrite in a search', () => {
  const changed = (candidate: { float: typeof model }) => {
    const broken = tinyModel('x[N,3,8,8] -> Conv 3x3 3->6 pads=1,1,1,1 -> a -> Relu -> Conv 3x3 6->4 -> y', { seed: 5 })
    return { model: broken, statistics: new Map(), changes: ['everything'], skipped: [], before: candidate.float }
  }

  it('undoes what breaks its bound, with a note', async () => {
    const { context, naive } = await smallSearch(model)
    assert.ok((await context.check(rule, changed(naive), naive)) === undefined, 'it was kept')
    assert.match(context.notes.join(), /^a rewrite was reverted: /)
    assert.deepEqual(
      context.rewrites.map(({ kept }) => kept),
      [false],
    )
  })

  it('is an error where it was kept elsewhere', async () => {
    const { context, naive } = await smallSearch(model)
    await assert.rejects(
      context.repeat(rule, changed(naive), naive),
      (error) =>
        error instanceof RefusedError &&
        /they were made with a rewrite, which .*; are they of this model\?$/.test(error.message),
    )
  })

  it('asks a bounded one only to run where there is nothing real to run on', async () => {
    const stored = { kind: 'onnxpress-statistics', version: 2, inputs: {}, evidence: {}, tensors: {} } as const
    const { context, naive } = await smallSearch(model, { source: storedSource(stored, 'small.onnx') })
    const bounded = { ...rule, kind: 'bounded' } as const
    assert.ok(await context.check(bounded, changed(naive), naive), 'it was undone')
    assert.ok((await context.check(rule, changed(naive), naive)) === undefined, 'an exact one was kept')
  })
})
