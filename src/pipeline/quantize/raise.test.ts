import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { samplesOf, smallSearch } from '../../../test/support/small-search.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { type Model, Tensor, withTensors } from '../../onnx/index.ts'
import { quantizeDefaults, slotsOf } from '../../quantize/index.ts'
import type { Built } from './build.ts'
import { Judge } from './judge.ts'
import { Raiser } from './raise.ts'

const model = tinyModel(
  'x[N,3,8,8] -> Conv 3x3 3->8 pads=1,1,1,1 -> Relu -> Conv 3x3 8->8 -> Relu -> Conv 3x3 8->8 -> Relu -> Conv 3x3 8->4 -> y',
)

async function job(weightBits: 4 | 8, change: (built: Built) => Built = (built) => built) {
  const quantize = { ...quantizeDefaults, weightBits, keep8bit: ['none'] }
  const { naive, context } = await smallSearch(model, { samples: samplesOf(model, 16), quantize })
  const built = change(await naive.built())
  const validation = (await context.source.samples?.split())?.filter((each) => each.validation) ?? []
  const runtime = await testRuntime()
  const judge = await Judge.on(runtime, naive.float, validation)
  const raiser = new Raiser({
    runtime,
    float: naive.float,
    shapes: naive.seen.shapes,
    built,
    options: quantize,
    validation,
    written: (each) => each,
    few: false,
    watch: {},
  })
  return { raiser, built, dbOf: async (each: Model) => (await judge.score(each)).db }
}

/** Codes of the first layer with the lowest bit of each turned: what only a correction could have written. */
function corrected(built: Built): Built {
  const [slot] = [...slotsOf(built.model).values()]
  const codes = built.model.graph.initializers.get(slot?.codes ?? '')
  assert.ok(slot && codes)
  const turned = Array.from(codes.numbers(), (code) => code ^ 1)
  return {
    ...built,
    model: withTensors(built.model, new Map([[slot.codes, Tensor.from('int8', codes.shape, turned)]])),
  }
}

describe('raised bits', () => {
  it('gain what is asked for on the samples of the judge, the more the more is asked', async () => {
    const { raiser, built, dbOf } = await job(4)
    const before = await dbOf(built.model)
    let raises = 0
    for (const gain of [1, 4, 10, 25]) {
      const raised = await raiser.by(gain)
      assert.ok(raised, `${gain} dB`)
      const now = await dbOf(raised.model)
      assert.ok(now >= before + gain, `${now} after ${before}, ${gain} dB asked`)
      const count = raised.bits.length + raised.values.length
      assert.ok(count >= raises && count > 0, `${count} raises`)
      raises = count
    }
  })

  it('come before grids in float where they take no room', async () => {
    const { raiser } = await job(4)
    const raised = await raiser.by(3)
    assert.ok(raised && raised.bits.length > 0)
    assert.deepEqual(raised.values, [])
    for (const name of raised.bits) assert.equal(raised.plan.weightBits.get(name), 8)
  })

  it('leave what corrections found of all other layers', async () => {
    const { raiser, built } = await job(4, corrected)
    const raised = await raiser.by(0.5)
    assert.ok(raised)
    const [before, after] = [slotsOf(built.model), slotsOf(raised.model)]
    let same = 0
    for (const [name, { codes }] of before) {
      const old: ArrayLike<number | bigint> | undefined = built.model.graph.initializers.get(codes)?.numbers()
      const now: ArrayLike<number | bigint> | undefined = raised.model.graph.initializers
        .get(after.get(name)?.codes ?? '')
        ?.numbers()
      if (raised.bits.includes(name)) assert.notDeepEqual(now, old, name)
      else {
        assert.deepEqual(now, old, name)
        same++
      }
    }
    assert.ok(same > 0 && same < before.size)
  })

  it('are grids in float where all layers have 8 bits already, to the exact model if need be', async () => {
    const { raiser, dbOf } = await job(8)
    const some = await raiser.by(6)
    assert.ok(some && some.bits.length === 0 && some.values.length > 0)
    const all = await raiser.by(70)
    assert.ok(all && all.values.length > some.values.length)
    assert.ok((await dbOf(all.model)) > 90)
  })
})
