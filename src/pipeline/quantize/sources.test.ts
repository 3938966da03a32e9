import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { samplesOf, smallSearch } from '../../../test/support/small-search.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { InputError, UnsupportedError, UsageError } from '../../base/index.ts'
import { type Model, Tensor, writeModel } from '../../onnx/index.ts'
import { insertQdq, place, quantizeDefaults, tensorsToObserve } from '../../quantize/index.ts'
import { parseRecipe } from '../../recipe/index.ts'
import { observeShapes, typesOf } from '../../runtime/index.ts'
import { batchNormSource } from './batch-norm-source.ts'
import { planFor } from './build.ts'
import type { CalibrationSamples } from './calibration-samples.ts'
import { embeddingNotes } from './embedding-notes.ts'
import { storedTensors, tensorsFrom } from './evidence.ts'
import { knownRanges } from './float-choices.ts'
import type { Material, Produced } from './mode.ts'
import { produceQuantized } from './produce.ts'
import { storeCorrections, withCorrections } from './stored-corrections.ts'
import { storedSource } from './stored-source.ts'
import type { Technique } from './technique.ts'
import { techniquesOf } from './techniques/index.ts'

const unit = [{ low: 0, high: 1 }]
const block = 'Conv 3x3 6->6 pads=1,1,1,1 -> BatchNormalization -> Relu'
const drawing = `x[N,3,8,8] -> Conv 3x3 3->6 pads=1,1,1,1 -> BatchNormalization -> Relu -> ${block} -> Conv 1x1 6->4 -> y`

/** A whole quantisation in memory. */
async function produced(
  model: Model,
  fields: object,
  more: Partial<Material> & { readonly samples?: CalibrationSamples } = {},
): Promise<Produced & { readonly notes: readonly string[] }> {
  const notes: string[] = []
  const recipe = parseRecipe('quantize', { model: 'tiny.onnx', data: 'memory', ...fields })
  const samples = more.samples ?? samplesOf(model, 12)
  const inputs = new Map([['x', [unit[0]!, unit[0]!, unit[0]!]]])
  const made = await produceQuantized(
    await testRuntime(),
    recipe,
    { original: model, inputs, ...more, samples },
    { notes },
  )
  return { ...made, notes }
}

const opsOf = ({ quantized }: Produced) => quantized.graph.nodes.map(({ opType }) => opType)

describe('a static quantisation', () => {
  it('tries its techniques, says in rows what became of them, and keeps its evidence', async () => {
    const { ladder, statistics, plan, float } = await produced(tinyModel(drawing), {})
    assert.equal(ladder?.[0]?.name, 'naive')
    assert.ok(ladder.some(({ name }) => name === 'corrected'))
    assert.deepEqual([statistics?.kind, statistics?.inputs], ['onnxpress-statistics', { x: [1, 3, 8, 8] }])
    assert.deepEqual(
      Object.keys(statistics?.tensors ?? {}).sort(),
      [...(plan?.placement.tensors.keys() ?? [])].sort().filter((value) => value in (statistics?.tensors ?? {})),
    )
    assert.deepEqual(float, [])
  })

  it('measures nothing and tries nothing where it shall be fast', async () => {
    const made = await produced(tinyModel(drawing), { effort: 'fast' })
    assert.equal(made.ladder, undefined)
    assert.equal(made.naive, undefined)
    assert.ok(opsOf(made).includes('QuantizeLinear'))
    assert.ok(made.statistics, 'what ranges were is kept all the same')
  })

  it('makes the same bytes again from its evidence, without a sample', async () => {
    const model = tinyModel(drawing)
    const first = await produced(model, {})
    const again = await produced(model, { data: 'none' }, { stored: first.statistics })
    assert.deepEqual(writeModel(again.quantized), writeModel(first.quantized))
    assert.deepEqual(again.notes.filter((note) => /stored statistics/.test(note)).length, 1)
  })

  it('says that there is nothing to quantise, and gives the float model', async () => {
    const made = await produced(tinyModel('x[N,3,8,8] -> Relu -> Sigmoid -> y'), {})
    assert.ok(!opsOf(made).includes('QuantizeLinear'))
    assert.match(made.notes.join(), /no layer of the main graph can be quantised/)
  })

  it('goes by the layers that are left out', async () => {
    const { float, plan } = await produced(tinyModel(drawing), { effort: 'fast', exclude: ['Conv_v1'] })
    assert.match(float[0]?.reason ?? '', /excluded by --exclude/)
    assert.equal(plan?.weights.size, 2)
  })

  it('refuses words that say nothing here', async () => {
    for (const [fields, message] of [
      [{ rounding: 'hqq' }, /--rounding is about weights alone/],
      [{ minSqnr: 30, effort: 'fast' }, /--effort fast measures nothing/],
      [{ minSqnr: 30, data: 'none' }, /without samples nothing is/],
    ] as const)
      await assert.rejects(
        produced(tinyModel(drawing), fields),
        (error) => error instanceof UsageError && message.test(error.message),
      )
  })

  it('says why biases were not trained', async () => {
    const fast = await produced(tinyModel(drawing), { effort: 'fast', tune: 'bias' })
    assert.match(fast.notes.join('\n'), /bias tuning was left out: --effort fast tries nothing/)
    const without = await produced(tinyModel(drawing), { data: 'none', tune: 'bias' })
    assert.match(without.notes.join('\n'), /bias tuning was left out: there are no samples/)
  })
})

describe("BatchNormalization's statistics as a source", () => {
  it('makes a quantisation without samples, and says what its ranges know', async () => {
    const made = await produced(tinyModel(drawing), { data: 'none' })
    assert.ok(opsOf(made).includes('QuantizeLinear'))
    assert.equal(made.statistics, undefined, 'nothing comes from samples')
    assert.match(made.notes.join(), /ranges are mean ± 4 deviations/)
  })

  it('has ranges of so many deviations, fewer where biases are corrected', async () => {
    const model = tinyModel(drawing)
    const { context, naive } = await smallSearch(model, { rewritten: true })
    const value = naive.float.graph.nodes.findLast(({ opType }) => opType === 'Relu')?.outputs[0] ?? ''
    // Inputs that know no ends: what is left is what the deviations say.
    const far = { low: -1e4, high: 1e4 }
    const reach = (corrects: boolean) => {
      const source = batchNormSource(new Map([['x', [far, far, far]]]), corrects)
      const ranges = source.ranges(naive)
      assert.ok(typeof ranges === 'function')
      assert.deepEqual([source.judges, source.proves], [false, 'random'])
      return ranges([value]).get(value)?.max ?? Number.NaN
    }
    // A small value gets as many as its number of elements asks for, whatever is said.
    assert.ok(reach(true) > 0 && reach(true) <= reach(false), `${reach(true)} and ${reach(false)}`)
    const said = (corrects: boolean) => batchNormSource(new Map(), corrects).notes.join()
    assert.match(said(true), /mean ± 4 deviations/)
    assert.match(said(false), /mean ± 6 deviations/)
    const source = batchNormSource(new Map([['x', [unit[0]!, unit[0]!, unit[0]!]]]), true)
    const channels = await source.channels(naive, [], context)
    assert.equal(channels.get(value)?.mean.length, 6)
    assert.equal(channels.get(value)?.source, 'batch-norm')
  })

  it('is none where a model has no BatchNormalization', async () => {
    await assert.rejects(
      produced(tinyModel('x[N,3,8,8] -> Conv 3x3 3->4 -> Conv 1x1 4->2 -> y'), { data: 'none' }),
      UnsupportedError,
    )
  })
})

describe('stored statistics as a source', () => {
  it('know nothing of another model, and say so', async () => {
    const { statistics } = await produced(tinyModel(drawing), { effort: 'fast' })
    assert.ok(statistics)
    const source = storedSource(statistics, 'other.onnx')
    const ranges = source.ranges({} as never)
    assert.ok(typeof ranges === 'function')
    assert.throws(
      () => ranges(['nobody']),
      (error) => error instanceof InputError && /say nothing of "nobody" of other\.onnx/.test(error.message),
    )
  })

  it('apply that evidence, and nothing else', async () => {
    const { statistics } = await produced(tinyModel(drawing), { effort: 'fast' })
    assert.ok(statistics)
    const source = storedSource(statistics, 'tiny.onnx')
    assert.equal(await source.attempt(techniquesOf(['equalize'])[0] as Technique, {} as never, {} as never), undefined)
  })

  it('come back from their form in JSON as they were', async () => {
    const runtime = await testRuntime()
    const model = tinyModel(drawing)
    const samples = samplesOf(model, 8)
    const shapes = await observeShapes(runtime, model, await samples.first())
    const { statistics } = await planFor(
      runtime,
      { model, shapes },
      { source: { samples, withValidation: true }, options: { ...quantizeDefaults, range: 'mse' } },
    )
    assert.ok([...statistics.values()].every(({ histogram }) => histogram))
    assert.deepEqual(tensorsFrom(JSON.parse(JSON.stringify(storedTensors(statistics)))), statistics)
  })
})

describe('the ranges of a plan', () => {
  const chain = tinyModel('x[N,3,8,8] -> Conv 3x3 3->4 -> Relu -> MaxPool 2x2 -> Conv 1x1 4->5 -> y')

  it('reach as far as any value of a shared grid may, and the plan says that they do', async () => {
    const runtime = await testRuntime()
    const samples = samplesOf(chain, 8)
    const shapes = await observeShapes(runtime, chain, await samples.first())
    const source = { samples, withValidation: true }
    const plain = await planFor(runtime, { model: chain, shapes }, { source, options: quantizeDefaults })
    const pooled = [...plain.plan.placement.tensors.values()].find(({ value, gridOf }) => value !== gridOf)
    assert.ok(pooled, 'a MaxPool moves codes')
    const top = plain.statistics.get(pooled.gridOf)?.max ?? 0
    // The reach is known of the pooled value alone; the grid is the one in front.
    const reach = (value: string) => (value === pooled.value ? { low: 0, high: 3 * top } : undefined)
    const wide = await planFor(runtime, { model: chain, shapes }, { source, options: quantizeDefaults, reach })
    const high = (plan: typeof plain.plan) => plan.activations.get(pooled.value)?.high ?? 0
    assert.ok(high(plain.plan) < 1.5 * top)
    assert.ok(high(wide.plan) >= 3 * top * (1 - 1 / 255), `${high(wide.plan)} for ${3 * top}`)
    assert.equal(wide.plan.activations.get(pooled.gridOf)?.high, high(wide.plan))
  })

  it('are known again from the plan before, of values that shared a grid too', async () => {
    const runtime = await testRuntime()
    const samples = samplesOf(chain, 8)
    const shapes = await observeShapes(runtime, chain, await samples.first())
    const planned = await planFor(
      runtime,
      { model: chain, shapes },
      { source: { samples, withValidation: true }, options: quantizeDefaults },
    )
    const source = knownRanges(planned)
    assert.ok(typeof source === 'function')
    const [pooled] = [...planned.plan.placement.tensors.values()].filter(({ value, gridOf }) => value !== gridOf)
    assert.deepEqual([...source([pooled?.value ?? '', 'nobody']).keys()], [pooled?.value])
    assert.equal(source([pooled?.value ?? '']).get(pooled?.value ?? ''), planned.statistics.get(pooled?.gridOf ?? ''))
    const again = await planFor(runtime, { model: chain, shapes }, { source, options: quantizeDefaults })
    assert.deepEqual(writeModel(insertQdq(chain, again.plan)), writeModel(insertQdq(chain, planned.plan)))
  })

  it('are asked for each grid once', () => {
    const placement = place(chain, quantizeDefaults, typesOf(chain))
    const values = tensorsToObserve(placement).map(({ value }) => value)
    assert.equal(new Set(values).size, values.length)
    assert.ok(values.every((value) => placement.tensors.get(value)?.gridOf === value))
  })
})

describe('stored corrections', () => {
  it('are what differs from plain rounding, and come back on the same plan', async () => {
    const runtime = await testRuntime()
    const model = tinyModel('x[N,3,8,8] -> Conv 3x3 3->4 -> Relu -> Conv 1x1 4->5 -> y')
    const samples = samplesOf(model, 8)
    const shapes = await observeShapes(runtime, model, await samples.first())
    const { plan } = await planFor(
      runtime,
      { model, shapes },
      { source: { samples, withValidation: true }, options: quantizeDefaults },
    )
    const plain = insertQdq(model, plan)
    const [first] = plan.weights.keys()
    const codes = plain.graph.initializers.get(`${first}/weight/q`)
    assert.ok(first && codes)
    const changed = codes.bytes.slice()
    changed[0] = (changed[0] ?? 0) ^ 1
    const constants = new Map([[`${first}/weight/q`, new Tensor(codes.dtype, codes.shape, changed)]])
    const biases = new Map([[first, Tensor.from('float32', [4], [1, 2, 3, 4])]])
    const stored = storeCorrections(model, { biases, constants }, plan, plan)
    assert.deepEqual([Object.keys(stored?.weights ?? {}), Object.keys(stored?.biases ?? {})], [[first], [first]])
    assert.ok(stored)
    const again = withCorrections(model, plan, JSON.parse(JSON.stringify(stored)))
    assert.deepEqual(again.model.graph.initializers.get(`${first}/weight/q`)?.bytes, changed)
    const bias = again.model.graph.initializers.get(`${first}/bias/q`)?.numbers() ?? []
    const scale = again.model.graph.initializers.get(`${first}/bias/scale`)?.floats() ?? []
    for (const [c, wanted] of [1, 2, 3, 4].entries())
      assert.ok(Math.abs((bias[c] ?? 0) * (scale[c] ?? scale[0] ?? 0) - wanted) < 1e-3)
    assert.equal(storeCorrections(model, { biases: new Map(), constants: new Map() }, plan, plan), undefined)
    const strange = { biases: { nobody: [1] }, floats: {}, weights: {} }
    assert.throws(() => withCorrections(model, plan, strange), /this one has no layer "nobody"/)
    const long = { biases: { [first]: [1, 2] }, floats: {}, weights: {} }
    assert.throws(() => withCorrections(model, plan, long), /2 biases for layer .*, which has 4/)
  })
})

describe('what a run says and reckons with', () => {
  it('names embeddings by their first Gather and their size', () => {
    const table = (rows: number) => Tensor.from('float32', [rows, 100], new Float32Array(rows * 100))
    const words = table(30_000)
    assert.deepEqual(embeddingNotes(new Map()), [])
    assert.match(
      embeddingNotes(new Map([['words', words]])).join(),
      /^an embedding is stored in 8 bits .*\(words: 3\.0 MB\)/,
    )
    const two = new Map([
      ['words', words],
      ['again', words],
      ['places', table(5000)],
    ])
    assert.match(embeddingNotes(two).join(), /^2 embeddings are .*\(words and 1 more: 3\.5 MB\)/)
  })
})
