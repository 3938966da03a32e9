import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { run } from '../../../../test/support/rewrite-conformance.ts'
import { type SmallSearchOptions, samplesOf, smallSearch } from '../../../../test/support/small-search.ts'
import { tinyModel } from '../../../../test/support/tiny-model.ts'
import { RefusedError } from '../../../base/index.ts'
import { sqnrDb } from '../../../math/index.ts'
import { type Model, Tensor, writeModel } from '../../../onnx/index.ts'
import { quantizeDefaults } from '../../../quantize/index.ts'
import { techniqueNames } from '../../../recipe/index.ts'
import { batchNormSource } from '../batch-norm-source.ts'
import type { Candidate } from '../candidate.ts'
import { storedTensors } from '../evidence.ts'
import { storedSource } from '../stored-source.ts'
import type { SearchContext, Technique, Tried } from '../technique.ts'
import { absorbBias } from './absorb-bias.ts'
import { correctBias } from './correct-bias.ts'
import { equalize } from './equalize.ts'
import { EXPLICIT_BIASES } from './explicit-biases.ts'
import { foldDeadChannelsTechnique as fold } from './fold-dead-channels.ts'
import { techniquesOf } from './index.ts'
import { keepFloat } from './keep-float.ts'
import { optimizeRounding } from './optimize-rounding.ts'
import { separateOutliersTechnique as separate } from './separate-outliers.ts'
import { tuneBias } from './tune-bias.ts'

const PLAIN = 'x[N,3,8,8] -> Conv 3x3 3->6 pads=1,1,1,1 -> a -> Relu -> Conv 3x3 6->4 -> y'

/** New values of a constant. */
function change(model: Model, name: string, value: (old: number, index: number) => number): void {
  const tensor = model.graph.initializers.get(name)
  assert.ok(tensor, `no constant ${name}`)
  model.graph.initializers.set(name, Tensor.from('float32', tensor.shape, tensor.floats().map(value)))
}

const biasOf = (model: Model, node: number) =>
  model.graph.initializers.get(model.graph.nodes.filter(({ opType }) => opType === 'Conv')[node]?.inputs[2] ?? '')

async function attempted(technique: Technique, on: Candidate, context: SearchContext): Promise<Tried> {
  const attempt = await technique.attempt(on, context)
  assert.ok(attempt && 'candidate' in attempt, `${technique.name} was not tried`)
  return attempt
}

/** Lowest SQNR of two models on samples that no search has seen. */
async function keptDb(a: Model, b: Model): Promise<number> {
  let lowest = Number.POSITIVE_INFINITY
  const fresh = samplesOf(a, 40)
  for (let index = 30; index < 40; index++) {
    const { inputs } = await fresh.dataset.sample(index)
    const [one, other] = [await run(a, inputs), await run(b, inputs)]
    for (const [name, { data }] of Object.entries(one))
      lowest = Math.min(
        lowest,
        sqnrDb(data as Float32Array, (other[name]?.data ?? []) as Float32Array) ?? Number.POSITIVE_INFINITY,
      )
  }
  return lowest
}

async function keeps(a: Model, b: Model, least: number): Promise<void> {
  const db = await keptDb(a, b)
  assert.ok(db > least, `${db} dB`)
}

/** What replaying the evidence of a candidate gives, by the stored statistics alone. */
async function replayed(
  technique: Technique,
  made: Candidate,
  model: Model,
  options: SmallSearchOptions = {},
): Promise<Candidate> {
  const known = await made.built()
  const stored = JSON.parse(JSON.stringify({ evidence: made.evidence, tensors: storedTensors(known.statistics) }))
  const source = storedSource({ kind: 'onnxpress-statistics', version: 2, inputs: {}, ...stored }, 'small.onnx')
  const { context, naive } = await smallSearch(model, { ...options, source })
  const attempt = await source.attempt(technique, naive, context)
  assert.ok(attempt && 'candidate' in attempt, 'nothing was replayed')
  return attempt.candidate
}

/** By their bytes: a list of differences would take minutes. */
async function isSame(a: Candidate, b: Candidate): Promise<boolean> {
  const [one, other] = [writeModel((await a.built()).model), writeModel((await b.built()).model)]
  return Buffer.from(one).equals(other)
}

async function sameBytes(a: Candidate, b: Candidate): Promise<void> {
  assert.ok(await isSame(a, b), 'the files differ')
}

describe('the list of techniques', () => {
  it('has one for each name, in the order of the names, whatever the order asked for', () => {
    assert.deepEqual(
      techniquesOf([...techniqueNames].reverse()).map(({ name }) => name),
      techniqueNames,
    )
    assert.deepEqual(
      techniquesOf(['tune-bias', 'equalize']).map(({ name }) => name),
      ['equalize', 'tune-bias'],
    )
  })

  it('has evidence that is read back for all that can be replayed', () => {
    for (const { name, replay, evidence } of techniquesOf(techniqueNames))
      assert.equal(replay === undefined, evidence === undefined, name)
  })
})

describe('fold-dead-channels', () => {
  /** Channel 2 of the first layer never rises above 0. */
  function silent(): Model {
    const model = tinyModel(PLAIN)
    change(model, 'a_bias', (old, channel) => (channel === 2 ? -500 : old))
    return model
  }

  it('takes the weights of a silent channel, keeps the function, and replays to the same bytes', async () => {
    const model = silent()
    const { context, naive } = await smallSearch(model, { techniques: [fold as Technique] })
    const { candidate } = await attempted(fold as Technique, naive, context)
    const weight = candidate.float.graph.initializers.get(candidate.float.graph.nodes[0]?.inputs[1] ?? '')
    assert.ok(
      weight
        ?.floats()
        .slice(54, 81)
        .every((value) => value === 0),
      'the weights are there',
    )
    await keeps(model, candidate.float, 90)
    assert.deepEqual(Object.keys(candidate.evidence), ['fold-dead-channels'])
    await sameBytes(candidate, await replayed(fold as Technique, candidate, model))
  })

  it('has nothing to do where every channel moves', async () => {
    const { context, naive } = await smallSearch(tinyModel(PLAIN))
    assert.ok((await fold.attempt(naive, context)) === undefined, 'it was applied')
  })

  it('takes what BatchNormalization knew, and then stores no channels', async () => {
    const model = tinyModel('x[N,3,8,8] -> Conv 3x3 3->6 -> BatchNormalization -> b -> Relu -> Conv 3x3 6->4 -> y')
    change(model, 'b_shift', (old, channel) => (channel === 3 ? -500 : old))
    const { context, naive } = await smallSearch(model, { rewritten: true })
    assert.notEqual(naive.statistics.size, 0)
    const { candidate } = await attempted(fold as Technique, naive, context)
    assert.deepEqual(candidate.evidence['fold-dead-channels'], {})
    await sameBytes(candidate, await replayed(fold as Technique, candidate, model, { rewritten: true }))
  })
})

describe('separate-outliers', () => {
  const model = tinyModel('x[N,6,64] -> MatMul 64->64 -> Tanh -> a; a -> MatMul 64->32 -> y')
  /** Channel 9 reaches a hundred times as far. */
  const samples = (size: number) =>
    samplesOf(model, size, (index, i) => Math.sin(1.7 * index + 0.31 * i * i) * (i % 64 === 9 ? 100 : 1))

  it('puts loud channels apart, gains, keeps the function, and replays to the same bytes', async () => {
    const options = { samples: samples(24), techniques: [separate as Technique] }
    const { context, naive } = await smallSearch(model, options)
    const { candidate, least = 0 } = await attempted(separate as Technique, naive, context)
    assert.deepEqual(candidate.evidence['separate-outliers'], { x: [9] })
    const [before, after] = [await naive.score(), await candidate.score()]
    assert.ok(after.db > before.db + Math.max(least, 6), `${before.db} dB, then ${after.db} dB`)
    await keeps(model, candidate.float, 90)
    const { plan } = await candidate.built()
    assert.equal(plan.weights.size, 2, 'the small product stays float')
    await sameBytes(
      candidate,
      await replayed(separate as Technique, candidate, model, { techniques: options.techniques }),
    )
  })

  it('has nothing to do where all channels are alike', async () => {
    const { context, naive } = await smallSearch(model)
    assert.equal(await separate.attempt(naive, context), undefined)
  })

  it('keeps what was float before it, and is kept by what comes behind it', async () => {
    const { context, naive } = await smallSearch(model, { samples: samples(24) })
    const { candidate } = await attempted(separate as Technique, naive, context)
    const [own = ''] = candidate.quantize.floatValues?.keys() ?? []
    const later = await keepFloat.replay?.(candidate, ['a'], context)
    assert.deepEqual([...(later?.quantize.floatValues?.keys() ?? [])], [own, 'a'])
  })
})

describe('equalize', () => {
  const CAPPED = 'x[N,3,8,8] -> Conv 3x3 3->6 pads=1,1,1,1 -> a -> Clip number(0) number(6) -> Conv 3x3 6->4 -> y'

  /** Channels of very different sizes. */
  function uneven(drawing: string): Model {
    const model = tinyModel(drawing)
    const sizes = [1, 0.02, 0.3, 0.05, 0.6, 0.01]
    change(model, 'a_weight', (old, index) => 0.1 * old * (sizes[Math.floor(index / 27)] ?? 1))
    change(model, 'a_bias', (old, channel) => 0.1 * old * (sizes[channel] ?? 1))
    return model
  }

  it('gains, keeps the function, says how far values reach, and replays to the same bytes', async () => {
    const model = uneven(PLAIN)
    const options = { quantize: { ...quantizeDefaults, weights: 'per-tensor' } } as const
    const { context, naive } = await smallSearch(model, options)
    const { candidate, least } = await attempted(equalize as Technique, naive, context)
    const [before, after] = [(await naive.score()).db, (await candidate.score()).db]
    assert.ok(after > before, `${before} to ${after}`)
    await keeps(model, candidate.float, 90)
    assert.ok(candidate.unequalized === naive.float, 'another model is named as the one before')
    assert.ok((least ?? 0) >= 0.5, `${least} dB`)
    assert.ok((candidate.reach?.('a')?.high ?? 0) > 0, 'no reach of what was scaled')
    assert.equal(candidate.reach?.('x'), undefined)
    await sameBytes(candidate, await replayed(equalize as Technique, candidate, model, options))
  })

  it('moves caps with their channels where they are exact', async () => {
    const model = uneven(CAPPED)
    const { context, naive } = await smallSearch(model, { clip: 'exact' })
    const { candidate } = await attempted(equalize as Technique, naive, context)
    assert.ok(
      candidate.float.graph.nodes.some(({ opType }) => opType === 'Min'),
      'no Min',
    )
    await keeps(model, candidate.float, 90)
    assert.equal((candidate.evidence['equalize'] as { clip: unknown }).clip, 'exact')
    await sameBytes(candidate, await replayed(equalize as Technique, candidate, model))
  })

  it('is undone with a note where a held cap binds on held-back samples, however wide', async () => {
    const model = uneven(CAPPED)
    // Every fourth sample judges: a thousand times as large as those that were looked at, below the cap before.
    const samples = samplesOf(model, 16, (index, i) => (index % 4 === 3 ? 30 : 0.01) * Math.sin(7 * i + index))
    const { context, naive } = await smallSearch(model, { samples })
    assert.ok((await equalize.attempt(naive, context)) === undefined, 'it was applied')
    assert.match(context.notes.join(), /equalize was reverted: held caps leave -?\d+\.\d dB .* and 38 dB are needed/)
  })

  it('tries wider deviations first, and stores those that held', async () => {
    const model = uneven(CAPPED)
    const { context, naive } = await smallSearch(model)
    const asked: number[] = []
    const judge = { lowestDb: async () => (asked.push(0) < 3 ? 10 : 60) }
    const { candidate } = await attempted(equalize as Technique, naive, changed(context, { judge }))
    assert.equal(asked.length, 3)
    assert.equal((candidate.evidence['equalize'] as { deviations?: number }).deviations, 9)
    await sameBytes(candidate, await replayed(equalize as Technique, candidate, model))
  })

  describe('with Muls in front of layers', () => {
    const model = tinyModel('x[N,6,64] -> MatMul 64->64 -> h; h -> Erf -> e; h,e -> Mul -> g; g -> MatMul 64->64 -> y')
    /** Eight channels behind Erf reach `times` as far. */
    const uneven = (times: number) => {
      const made = tinyModel('x[N,6,64] -> MatMul 64->64 -> h; h -> Erf -> e; h,e -> Mul -> g; g -> MatMul 64->64 -> y')
      change(made, [...made.graph.initializers.keys()][0] ?? '', (old, i) => (i % 64 < 8 ? times * old : old))
      return made
    }
    const muls = ({ float }: Candidate) => float.graph.nodes.filter(({ opType }) => opType === 'Mul').length

    it('keeps them where they gain, replays them, and has one proof', async () => {
      const options = { samples: samplesOf(model, 24), techniques: [equalize as Technique] }
      const { context, naive } = await smallSearch(uneven(20), options)
      const { candidate } = await attempted(equalize as Technique, naive, context)
      assert.ok(muls(candidate) > 1, 'there is a Mul of its own')
      const [before, after] = [await naive.score(), await candidate.score()]
      assert.ok(after.db > before.db + 3, `${before.db} dB, then ${after.db} dB`)
      assert.equal(context.rewrites.length, 1)
      await sameBytes(
        candidate,
        await replayed(equalize as Technique, candidate, uneven(20), { techniques: options.techniques }),
      )
    })

    it('leaves them out where the same without them is as good, and replays that', async () => {
      const both = () => {
        const made = tinyModel(
          'x[N,6,64] -> MatMul 64->64 -> h; h -> Erf -> e; h,e -> Mul -> g; g -> MatMul 64->64 -> Relu -> r; r -> MatMul 64->32 -> y',
        )
        const [first = '', second = ''] = made.graph.initializers.keys()
        for (const name of [first, second]) change(made, name, (old, i) => (i % 64 < 8 ? 20 * old : old))
        return made
      }
      const options = { samples: samplesOf(model, 24), techniques: [equalize as Technique] }
      const { context, naive } = await smallSearch(both(), options)
      // A judge to whom all candidates are alike.
      const same = await naive.score()
      const alike: SearchContext['candidate'] = (form, ranges) => ({
        ...context.candidate(form, ranges),
        score: async () => same,
      })
      const blind = new Proxy<SearchContext>(context, {
        get: (target, key) => {
          const value: unknown = key === 'candidate' ? alike : Reflect.get(target, key, target)
          return typeof value === 'function' && key !== 'candidate' ? value.bind(target) : value
        },
      })
      const { candidate } = await attempted(equalize as Technique, naive, blind)
      assert.equal(muls(candidate), 1, 'only the one that was there')
      assert.equal(context.rewrites.length, 1)
      await sameBytes(
        candidate,
        await replayed(equalize as Technique, candidate, both(), { techniques: options.techniques }),
      )
    })
  })

  it('needs no sample where BatchNormalization knew the channels', async () => {
    const drawing = 'x[N,3,8,8] -> Conv 3x3 3->6 -> BatchNormalization -> b -> Relu -> Conv 3x3 6->4 -> y'
    const model = tinyModel(drawing)
    const source = batchNormSource(new Map([['x', [{ low: -3, high: 3 }]]]), false)
    const { context, naive } = await smallSearch(model, { rewritten: true, source })
    const { candidate } = await attempted(equalize as Technique, naive, context)
    assert.equal(candidate.reach, undefined)
    assert.equal(candidate.statistics.size, naive.statistics.size)
    assert.notEqual((await candidate.built()).plan.activations.size, 0)
  })

  it('refuses evidence of another model in one sentence', async () => {
    const model = uneven(PLAIN)
    const { context, naive } = await smallSearch(model)
    await assert.rejects(
      async () => equalize.replay?.(naive, { clip: 'hold', channels: {} }, context),
      (error) =>
        error instanceof RefusedError &&
        /^the statistics cannot be used for small\.onnx: .*changes nothing here/.test(error.message),
    )
  })
})

/** A context with something of it replaced. */
function changed(context: SearchContext, more: object): SearchContext {
  return new Proxy(context, {
    get: (target, key) => {
      if (key in more) return (more as Record<PropertyKey, unknown>)[key]
      const value = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

describe('absorb-bias', () => {
  /** Channels far above 0. */
  function raised(): Model {
    const model = tinyModel('x[N,3,8,8] -> Conv 1x1 3->4 -> a -> Relu -> Conv 3x3 4->2 -> y')
    change(model, 'a_weight', (old) => 0.05 * old)
    change(model, 'a_bias', (_, channel) => 5 + channel)
    return model
  }

  it('is applied, keeps the function within its bound, and replays to the same bytes', async () => {
    const model = raised()
    const { context, naive } = await smallSearch(model, { techniques: [absorbBias as Technique], keep: 'always' })
    const { candidate } = await attempted(absorbBias as Technique, naive, context)
    const [before, after] = [biasOf(naive.float, 0)?.floats() ?? [], biasOf(candidate.float, 0)?.floats() ?? []]
    for (const [channel, bias] of before.entries()) assert.ok((after[channel] ?? bias) < bias - 3, `channel ${channel}`)
    await keeps(model, candidate.float, 30)
    const options = { techniques: techniquesOf(techniqueNames) }
    await sameBytes(candidate, await replayed(absorbBias as Technique, candidate, model, options))
  })

  it('has nothing to do where no channel stays above 0', async () => {
    const { context, naive } = await smallSearch(tinyModel(PLAIN))
    assert.ok((await absorbBias.attempt(naive, context)) === undefined, 'it was applied')
  })
})

describe('keep-float', () => {
  it('leaves a model alone that no grid kills', async () => {
    const { context, naive } = await smallSearch(tinyModel(PLAIN))
    assert.ok((await keepFloat.attempt(naive, context)) === undefined, 'it was applied')
  })

  it('says that the judge has seen too little', async () => {
    const { context, naive } = await smallSearch(tinyModel(PLAIN), { samples: samplesOf(tinyModel(PLAIN), 4) })
    const dead = { ...naive, score: async () => ({ ...(await naive.score()), db: 3 }) }
    assert.equal(context.canTell, false)
    assert.deepEqual(await keepFloat.attempt(dead, context), {
      leftOut: 'one clipped value decides what so few held-back outputs say; give more samples',
    })
  })

  it('keeps values float, and replays to the same bytes', async () => {
    const model = tinyModel(PLAIN)
    const { context, naive } = await smallSearch(model)
    const { plan } = await naive.built()
    const value = [...plan.activations.keys()].at(-1) ?? ''
    const candidate = await keepFloat.replay?.(naive, [value], context)
    assert.ok(candidate, 'nothing is replayed')
    assert.deepEqual([...(candidate.quantize.floatValues?.keys() ?? [])], [value])
    const left = (await candidate.built()).plan.activations
    assert.ok(left.size < plan.activations.size && !left.has(value), `${[...left.keys()]}`)
    await sameBytes(candidate, await replayed(keepFloat as Technique, candidate, model))
  })
})

describe('correct-bias', () => {
  const biased = (model: Model) => {
    change(model, 'a_weight', (old, index) => old + (index % 27 === 0 ? 30 : 0))
    return model
  }

  it('moves the mean of the outputs back, by samples', async () => {
    const { context, naive } = await smallSearch(biased(tinyModel(PLAIN)), { techniques: [correctBias] })
    const { candidate } = await attempted(correctBias, naive, context)
    assert.notEqual(candidate.corrections.length, 0)
    for (const { bias } of candidate.corrections)
      if (bias) assert.ok(bias.after <= bias.before, `${bias.before} to ${bias.after}`)
    assert.ok(!(await isSame(candidate, naive)), 'the files are the same')
    assert.ok((await candidate.plain()) === (await naive.plain()), 'the grids are others')
  })

  it('corrects by formula without a sample, in the float model', async () => {
    const drawing = 'x[N,3,8,8] -> Conv 3x3 3->6 -> BatchNormalization -> b -> Relu -> Conv 3x3 6->4 -> y'
    const source = batchNormSource(new Map([['x', [{ low: -3, high: 3 }]]]), true)
    const { context, naive } = await smallSearch(tinyModel(drawing), { rewritten: true, source })
    const { candidate } = await attempted(correctBias, naive, context)
    assert.notDeepEqual(biasOf(candidate.float, 1)?.floats(), biasOf(naive.float, 1)?.floats())
    assert.equal(candidate.corrections.length, 0)
  })
})

describe('optimize-rounding', () => {
  it('chooses other codes that score better with few bits, and learns again from everything', async () => {
    const options = { techniques: [optimizeRounding] }
    const { context, naive } = await smallSearch(tinyModel(PLAIN), {
      ...options,
      samples: samplesOf(tinyModel(PLAIN), 32),
      quantize: { ...quantizeDefaults, weightBits: 4, keep8bit: ['none'] },
    })
    const { candidate } = await attempted(optimizeRounding, naive, context)
    const [before, after] = [(await naive.score()).db, (await candidate.score()).db]
    assert.ok(after > before + 1, `${before} to ${after}`)
    const again = await optimizeRounding.relearn?.(candidate, context)
    assert.ok(again, 'it was not made again')
    assert.ok(!(await isSame(again, candidate)), 'the files are the same')
  })

  it('is not tried without samples', async () => {
    const source = batchNormSource(new Map(), false)
    const { context, naive } = await smallSearch(tinyModel(PLAIN), { source })
    assert.ok((await optimizeRounding.attempt(naive, context)) === undefined, 'it was applied')
    assert.equal(await tuneBias.attempt(naive, context), undefined)
  })
})

describe('tune-bias', () => {
  it('judges for itself and says on how many samples', async () => {
    const { context, naive } = await smallSearch(tinyModel(PLAIN), { keep: 'if-better' })
    const { kept, gained, candidate } = await attempted(tuneBias, naive, context)
    assert.equal(typeof kept, 'boolean')
    assert.match(gained ?? '', /^[+−]\d+\.\d dB on 4 samples$/)
    assert.ok((await candidate.plain()) === (await naive.plain()), 'the grids are others')
  })

  it('learns again only where codes were chosen anew', async () => {
    const { context, naive } = await smallSearch(tinyModel(PLAIN))
    assert.ok((await tuneBias.relearn?.(naive, context)) === naive, 'trained again')
    const again = await tuneBias.relearn?.({ ...naive, applied: ['optimize-rounding'] }, context)
    assert.ok(again && again !== naive, 'not trained again')
  })

  it('is left out with the reason where nothing can be trained', async () => {
    const { context, naive } = await smallSearch(tinyModel('x[N,5,8] -> MatMul 8->4 -> y'))
    assert.deepEqual(await tuneBias.attempt(naive, context), { leftOut: 'no layer has a bias' })
  })
})

describe('explicit biases', () => {
  const BARE = 'x[N,3,8,8] -> Conv 3x3 3->6 nobias -> a -> Relu -> Conv 3x3 6->4 nobias -> y'
  const count = ({ float }: Candidate) => float.graph.nodes.filter(({ inputs }) => inputs.length === 3).length

  it('are added only for a technique that writes some', async () => {
    assert.equal(count((await smallSearch(tinyModel(BARE))).naive), 0)
    assert.equal(count((await smallSearch(tinyModel(BARE), { techniques: [equalize as Technique] })).naive), 0)
    const { naive, context } = await smallSearch(tinyModel(BARE), { techniques: [correctBias] })
    assert.equal(count(naive), 2)
    assert.equal(naive.evidence[EXPLICIT_BIASES], true)
    assert.deepEqual(
      context.rewrites.map(({ name, kept }) => [name, kept]),
      [['explicit-biases', true]],
    )
  })

  it('are not written down where every layer has one', async () => {
    const { naive } = await smallSearch(tinyModel(PLAIN), { techniques: [correctBias] })
    assert.deepEqual(naive.evidence, {})
  })

  it('are repeated when they were stored, and refused where that changes nothing', async () => {
    const stored = { kind: 'onnxpress-statistics', version: 2, inputs: {}, tensors: {} } as const
    const source = storedSource({ ...stored, evidence: { [EXPLICIT_BIASES]: true } }, 'small.onnx')
    assert.equal(count((await smallSearch(tinyModel(BARE), { source })).naive), 2)
    await assert.rejects(smallSearch(tinyModel(PLAIN), { source }), /made with explicit-biases, which changes nothing/)
    const without = storedSource({ ...stored, evidence: {} }, 'small.onnx')
    assert.equal(count((await smallSearch(tinyModel(BARE), { source: without, techniques: [correctBias] })).naive), 0)
  })
})
