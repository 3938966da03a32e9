// Runtimes that answer as they are told: what becomes of a file that only some load, or that they compute in different ways.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertNear } from '../../../test/support/assert-near.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { CancelledError, RuntimeFailure, type TensorValue, UnsupportedError } from '../../base/index.ts'
import type { Batch } from '../../data/index.ts'
import type { Comparison } from '../../metrics/index.ts'
import type { Runtime, Session, Values } from '../../runtime/index.ts'
import { type CheckedVariant, checkVariant } from './check-variant.ts'
import { quantizeRecipeOf, runtimeOf, variantFile, variantOf } from './dtypes.ts'
import type { Reference } from './reference.ts'
import { whyNotWritten } from './refusal.ts'
import { variantsJson } from './run.ts'

const tensor = (dims: readonly number[], ...values: number[]): TensorValue => ({
  dtype: 'float32',
  dims,
  data: Float32Array.from(values),
})
const batchOf = (size: number, inputs: Values = {}): Batch => ({
  size,
  inputs,
  ids: Array.from({ length: size }, (_, i) => String(i)),
})

/** Answers of the float model for two samples of one place of width 2: embeddings, no classes. */
const float = { y: tensor([2, 1, 2], 3, 4, -1, -2) }
const text = { kind: 'embedding', output: 'y' } as const
const reference: Reference = { batches: [{ batch: batchOf(2), outputs: float }], samples: 2, sample: {}, text }
const model = tinyModel('x[N,2] -> Relu -> y')

interface Told {
  readonly name: string
  /** What the file answers; or why it does not load. */
  readonly answers: Values | Error
  /** Milliseconds of the file, and of the float model, which does not load where there are none. */
  readonly ms?: readonly [number, number?]
}

/** The file is bytes, the float model is not. */
function runtimeOfTold({ name, answers, ms = [2, 4] }: Told): Runtime & { readonly open_: () => number } {
  let open = 0
  const session = (of: 'file' | 'float'): Session => ({
    inputs: ['x'],
    outputs: ['y'],
    outputTypes: { y: 'float32' },
    run: async () => (of === 'file' && !(answers instanceof Error) ? answers : float),
    close: async () => {
      open--
    },
  })
  const made = {
    ...{ name, version: '1' },
    open: async (given: unknown) => {
      const of = given instanceof Uint8Array ? 'file' : 'float'
      if (of === 'file' && answers instanceof Error) throw answers
      if (of === 'float' && ms[1] === undefined) throw new UnsupportedError('too old')
      open++
      return session(of)
    },
    time: async (sessions: readonly Session[]) => ({ milliseconds: sessions.map((_, i) => [9, ms[i] ?? 0, 0]) }),
    close: async () => {},
    open_: () => open,
  }
  return made as Partial<Runtime> as Runtime & { readonly open_: () => number }
}

const checked = (...told: Told[]) => checkedBy(reference, ...told)

async function checkedBy(by: Reference, ...told: Told[]): Promise<CheckedVariant> {
  const runtimes = told.map(runtimeOfTold)
  const file = { file: new Uint8Array(1), label: 'f.onnx', float: model, madeFor: 'web' }
  try {
    return await checkVariant(runtimes, file, by, {})
  } finally {
    assert.deepEqual(
      runtimes.map(({ open_ }) => open_()),
      told.map(() => 0),
      'every session is closed',
    )
  }
}

/** The float answers with noise on one number. */
const off = (by: number): Values => ({ y: tensor([2, 1, 2], 3 + by, 4, -1, -2) })

describe('a file in several runtimes', () => {
  it('is compared in the first where all agree, timed beside the float model in each', async () => {
    const found = await checked({ name: 'node', answers: off(0.1) }, { name: 'web', answers: off(0.1), ms: [3, 6] })
    assert.deepEqual(found.loads, { node: true, web: true })
    assert.deepEqual(
      [found.latencyMs, found.floatMs],
      [
        { node: 2, web: 3 },
        { node: 4, web: 6 },
      ],
    )
    // Mean square of noise against signal: 0.01 of 30.
    assertNear([found.comparison?.sqnrDb['y'] ?? 0], [10 * Math.log10(30 / 0.01)], 1e-3)
    const cosine = (3.1 * 3 + 16) / 5 / Math.hypot(3.1, 4)
    const pooled = found.comparison?.similarity?.pooled.value ?? 0
    assertNear([pooled, found.runtimeCosine ?? 0], [(cosine + 1) / 2, 1], 1e-6)
  })

  it('is for those that load it; why another does not is said in its words', async () => {
    const found = await checked(
      { name: 'node', answers: new UnsupportedError('no kernel') },
      { name: 'web', answers: off(0) },
    )
    assert.deepEqual(found.loads, { node: 'no kernel', web: true })
    assert.equal(found.comparison?.sqnrDb['y'], null)
    assert.deepEqual(found.latencyMs, { web: 2 })
    const nowhere = await checked({ name: 'node', answers: new RuntimeFailure('it failed') })
    assert.deepEqual([nowhere.loads, nowhere.comparison], [{ node: 'it failed' }, undefined])
  })

  it('is for the one that is nearer to the float model where they answer otherwise', async () => {
    const found = await checked({ name: 'node', answers: off(4) }, { name: 'web', answers: off(0.1) })
    const why = 'it answers otherwise than web \\(cosine 0\\.9\\d+\\), which the file is for'
    assert.match(String(found.loads['node']), new RegExp(`^${why}$`))
    assert.equal(found.loads['web'], true)
    assertNear([found.comparison?.sqnrDb['y'] ?? 0], [10 * Math.log10(30 / 0.01)], 1e-3)
  })

  it('is for the one that it is made for where neither is nearer', async () => {
    const [one, other] = [off(1), { y: tensor([2, 1, 2], 3, 5, -1, -2) }]
    const found = await checked({ name: 'node', answers: one }, { name: 'web', answers: other })
    assert.deepEqual([found.loads['node'] === true, found.loads['web']], [false, true])
    const turned = await checked({ name: 'web', answers: other }, { name: 'node', answers: one })
    assert.equal(turned.loads['web'], true)
  })

  it('is timed alone where the float model does not load', async () => {
    const found = await checked({ name: 'node', answers: off(0), ms: [2] })
    assert.deepEqual([found.latencyMs, found.floatMs, found.loads], [{ node: 2 }, {}, { node: true }])
  })

  it('ends at once when it is cancelled, and with errors that nobody thought of', async () => {
    await assert.rejects(checked({ name: 'node', answers: new Error('a bug') }), /a bug/)
    const signal = AbortSignal.abort()
    const file = { file: new Uint8Array(1), label: 'f.onnx', float: model, madeFor: 'web' }
    await assert.rejects(
      checkVariant([runtimeOfTold({ name: 'node', answers: off(0) })], file, reference, { signal }),
      CancelledError,
    )
  })
})

describe('the cosine of two runtimes', () => {
  /** Two places of width 2; the second place of the second sample is padding. */
  const mask: TensorValue = { dtype: 'int64', dims: [2, 2], data: BigInt64Array.of(1n, 1n, 1n, 0n) }
  const [a, b] = [
    { y: tensor([2, 2, 2], 1, 0, 0, 1, 1, 0, 9, 9) },
    { y: tensor([2, 2, 2], 1, 1, 1, 1, 0, 1, 8, 9) },
  ] as const
  const by = (more: Partial<Reference>): Reference => ({
    ...reference,
    batches: [{ batch: batchOf(2, { keep: mask }), outputs: a }],
    ...more,
  })
  const between = async (given: Reference) =>
    (await checkedBy(given, { name: 'node', answers: a }, { name: 'web', answers: b })).runtimeCosine ?? 0

  it('is of embeddings pooled by the mask that the graph names', async () => {
    assertNear([await between(by({ text: { ...text, mask: 'keep' } }))], [0.5], 1e-6)
    assert.ok((await between(by({}))) > 0.9, 'without a mask everything counts')
  })

  it('is that of the output that differs most where there is no embedding, and -1 where one is not a number', async () => {
    const whole = by({ text: undefined })
    const dot = 1 + 1 + 72 + 81
    assertNear([await between(whole)], [dot / (Math.sqrt(165) * Math.sqrt(150))], 1e-6)
    const dead = { y: tensor([2, 2, 2], Number.NaN, 1, 1, 1, 0, 1, 8, 9) }
    const found = await checkedBy(whole, { name: 'node', answers: a }, { name: 'web', answers: dead })
    assert.equal(found.runtimeCosine, -1)
  })
})

describe('the words of forms', () => {
  it('name files, and are found again in their names', () => {
    assert.deepEqual(
      [variantFile('model', 'q8'), variantFile('decoder', 'q4f16')],
      ['model_quantized.onnx', 'decoder_q4f16.onnx'],
    )
    assert.deepEqual(['model_q4', 'model_q4f16', 'decoder_model_merged_quantized', 'model_q1'].map(variantOf), [
      'model',
      'model',
      'decoder_model_merged',
      'model',
    ])
    assert.deepEqual(['model', '_q4', 'model_q5', 'q8'].map(variantOf), [undefined, undefined, undefined, undefined])
  })

  it('are made for the web in integers of each run, in float16 for the target of all', () => {
    assert.deepEqual([runtimeOf('q8'), runtimeOf('fp16')], ['onnxruntime-web', 'onnxruntime-node'])
    const recipe = { data: 'random', effort: 'default', seed: 3, shape: {}, exif: false } as Parameters<
      typeof quantizeRecipeOf
    >[0]
    const four = quantizeRecipeOf(recipe, 'm.onnx', 'random', 'q4f16')
    assert.deepEqual([four.mode, four.weightBits, four.float16, four.data, four.seed], ['weights', 4, true, 'none', 3])
    const eight = quantizeRecipeOf({ ...recipe, samples: 9 }, 'm.onnx', 's.txt', 'int8')
    assert.deepEqual([eight.mode, eight.data, eight.samples], ['dynamic', 's.txt', 9])
  })
})

describe('a file that is not worth having', () => {
  const facts = {
    sizeBytes: 25,
    floatBytes: 100,
    loads: { node: true },
    comparison: { samples: 1, sqnrDb: { y: 30 } } as Comparison,
  } as const

  it('is one that nothing loads, that lost too much, or that is no smaller', () => {
    assert.equal(whyNotWritten(facts, 20), undefined)
    assert.equal(whyNotWritten({ ...facts, loads: { node: 'no kernel', web: true } }, 20), undefined)
    assert.equal(
      whyNotWritten({ ...facts, loads: { node: 'no kernel', web: 'old' } }, 20),
      'no runtime loads it: node says: no kernel',
    )
    assert.equal(whyNotWritten(facts, 31), 'output y has 30.0 dB against the float model, less than 31 (--min-sqnr)')
    const dead = { ...facts, comparison: { samples: 1, sqnrDb: { y: Number.NaN } } }
    assert.match(whyNotWritten(dead, -100) ?? '', /output y has NaN dB/)
    assert.equal(whyNotWritten({ ...facts, comparison: { samples: 1, sqnrDb: { y: null } } }, 99), undefined)
    assert.match(whyNotWritten({ ...facts, sizeBytes: 96 }, 20) ?? '', /it would have 96 B, the float model has 100 B/)
    assert.equal(whyNotWritten({ ...facts, sizeBytes: 95 }, 20), undefined)
  })

  it('says in JSON what is exact, and has no key where nothing was compared', () => {
    const variant = { dtype: 'q8', graph: 'model', file: 'f', written: true, latencyMs: {}, loads: {} } as const
    const variants = [{ ...variant, sqnrDb: null }, { ...variant, sqnrDb: 30 }, variant]
    const json = variantsJson({ variants, float: [], runtimes: [], notes: [] }, ['take q8'])
    const rows = json['variants'] as Record<string, unknown>[]
    assert.deepEqual(
      rows.map(({ sqnrDb, exact }) => [sqnrDb, exact]),
      [
        [null, true],
        [30, undefined],
        [undefined, undefined],
      ],
    )
    assert.deepEqual(['sqnrDb' in rows[2]!, json['advice']], [false, ['take q8']])
  })
})
