import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomFeeds, run } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { InputError, UnsupportedError } from '../../base/index.ts'
import type { TensorStatistics } from '../../calibrate/index.ts'
import { layersOf, type Model } from '../../onnx/index.ts'
import { typesOf, type Values } from '../../runtime/index.ts'
import { insertQdq } from '../insert.ts'
import { quantizeDefaults } from '../options.ts'
import { place } from '../placement/placement.ts'
import { makePlan, type Plan } from '../plan.ts'
import { type EncodingForm, readEncodings, writeEncodings } from './aimet-forms.ts'
import { encodedModel } from './encoded-model.ts'
import { givenGrids } from './given-grids.ts'

const drawing =
  'x[N,4,8,8] -> Conv 3x3 4->8 -> Relu -> a -> MaxPool 2x2 -> p; p -> Conv 1x1 8->4 -> b -> Flatten -> Gemm 100->5 -> y'
const forms: readonly EncodingForm[] = ['aimet', 'aimet-2']
const { target } = quantizeDefaults

/** A plan for values between −3 and 5. */
function planned(model: Model): Plan {
  const placement = place(model, quantizeDefaults, typesOf(model))
  const seen: TensorStatistics = { min: -3, max: 5, count: 1 } as TensorStatistics
  const statistics = new Map([...placement.tensors.keys()].map((value) => [value, seen]))
  return makePlan(model, placement, { statistics, options: quantizeDefaults })
}

/** A plan from encodings alone. */
function planFrom(model: Model, json: unknown, notes: string[] = []): Plan {
  const given = givenGrids(readEncodings(json, 'e.json'), { given: model, model, label: 'm.onnx' }, target, notes)
  const options = { ...quantizeDefaults, given }
  return makePlan(model, place(model, options, typesOf(model)), { statistics: new Map(), options })
}

const numbers = (values: Values) => Object.values(values).flatMap(({ data }) => Array.from(data, Number))

const activation = { dtype: 'INT', bw: 8, is_sym: false, enc_type: 'PER_TENSOR', scale: [0.05], offset: [-100] }
const parameter = { dtype: 'INT', bw: 8, is_sym: true, enc_type: 'PER_TENSOR', scale: [0.01], offset: [-128] }
const first = (activations: readonly object[], parameters: readonly object[] = []) => ({
  version: '1.0.0',
  activation_encodings: activations,
  param_encodings: parameters,
})

describe('encodings', () => {
  for (const form of forms)
    it(`in the form ${form} say all grids: read again they make the same file`, async () => {
      const model = tinyModel(drawing)
      const plan = planned(model)
      const quantized = insertQdq(model, plan)
      const { model: float, encodings } = encodedModel({ float: model, quantized, plan }, model)
      const again = planFrom(float, JSON.parse(JSON.stringify(writeEncodings(encodings, form))))
      const feeds = randomFeeds(model, 3)
      assert.deepEqual(numbers(await run(insertQdq(float, again), feeds)), numbers(await run(quantized, feeds)))
      // A Gemm's result keeps its grid only where somebody says so.
      assert.deepEqual([...again.activations.keys()].sort(), [...plan.activations.keys()].sort())
    })

  it('name tensors of the float model, weights as the model that came does', () => {
    const model = tinyModel(drawing)
    const plan = planned(model)
    const { model: float, encodings } = encodedModel({ float: model, quantized: insertQdq(model, plan), plan }, model)
    const constants = encodings.flatMap(({ name, kind }) => (kind === 'parameter' ? [name] : []))
    assert.ok(constants.every((name) => float.graph.initializers.has(name)))
    const weights = layersOf(model).map(({ node }) => node.inputs[1])
    assert.deepEqual(
      constants.filter((name) => weights.includes(name)),
      weights,
    )
    assert.deepEqual([...encodings.filter(({ bits }) => bits === 32)].length, 3)
  })

  it('of biases are left out in version 1, as AIMET leaves them out', () => {
    const model = tinyModel(drawing)
    const plan = planned(model)
    const { encodings } = encodedModel({ float: model, quantized: insertQdq(model, plan), plan }, model)
    const written = writeEncodings(encodings, 'aimet') as { param_encodings: { bw: number }[] }
    assert.deepEqual(
      written.param_encodings.map(({ bw }) => bw),
      [8, 8, 8],
    )
  })

  it('give version 1 the offsets of unsigned codes', () => {
    const grid = { name: 'v', kind: 'activation' as const, bits: 8, scale: [0.5] }
    const offset = (signed: boolean, zero: number) => {
      const json = writeEncodings([{ ...grid, signed, zeroPoint: [zero] }], 'aimet') as {
        activation_encodings: { offset: number[]; is_sym: boolean }[]
      }
      const [entry] = json.activation_encodings
      return [entry?.offset[0], entry?.is_sym]
    }
    assert.deepEqual(offset(false, 100), [-100, false])
    assert.deepEqual(offset(true, 0), [-128, true])
    assert.deepEqual(offset(true, -28), [-100, false])
  })
})

describe('grids from encodings', () => {
  const model = tinyModel('x[N,4,8,8] -> Conv 3x3 4->8 -> a; a -> Conv 1x1 8->4 -> b; b -> Conv 1x1 4->4 -> y')
  const [one, two, three] = layersOf(model).map(({ node }) => node.inputs[1] ?? '')

  it('leave in float what they do not name', () => {
    const plan = planFrom(
      model,
      first([
        { ...activation, name: 'a' },
        { ...activation, name: 'b' },
      ]),
    )
    assert.deepEqual([...plan.activations.keys()], ['a', 'b'])
    assert.deepEqual([...plan.weights.keys()], ['Conv_b'])
    assert.match(plan.placement.reasons.get('Conv_a')?.text ?? '', /the encodings do not name "x"/)
    const weights = planFrom(model, first([], [{ ...parameter, name: two }]))
    assert.deepEqual([...weights.weights.keys()], ['Conv_b'])
    assert.match(weights.placement.reasons.get('Conv_a')?.text ?? '', /the encodings do not name its weight/)
  })

  it('hand a grid on through what only moves codes, in both directions', () => {
    const pooled = tinyModel(drawing)
    for (const name of ['a', 'p']) {
      const all = [name, 'x', 'b'].map((each) => ({ ...activation, name: each }))
      const plan = planFrom(pooled, first(all))
      assert.deepEqual(
        [...plan.weights.keys()],
        ['Conv_v1', 'Conv_b', 'Gemm_y'].filter((each) => plan.weights.has(each)),
      )
      assert.ok(plan.activations.has('a') && plan.activations.has('p'), name)
    }
  })

  it('are taken as they are: 4 bits, 16 bits, and codes of the other sign for the same numbers', () => {
    const values = ['x', 'a', 'b', 'y'].map((name) => ({ ...activation, name }))
    const json = first(
      [...values.slice(1), { ...activation, name: 'x', bw: 16, offset: [-300] }],
      [
        { ...parameter, name: one, bw: 4, scale: [0.2], offset: [-8] },
        { ...parameter, name: two },
        { ...parameter, name: three, is_sym: false },
      ],
    )
    const plan = planFrom(model, json)
    assert.deepEqual(plan.activations.get('x')?.params, {
      dtype: 'uint16',
      scale: Float32Array.of(0.05),
      zeroPoint: Int32Array.of(300),
    })
    assert.equal(plan.activations.get('a')?.method, 'given by the encodings')
    assert.equal(plan.weights.get('Conv_a')?.dtype, 'int4')
    assert.deepEqual(plan.weights.get('Conv_y')?.zeroPoint, Int32Array.of(0))
    const written = insertQdq(model, plan)
    const codes = written.graph.initializers.get('Conv_a/weight/q')?.numbers() ?? []
    assert.ok(codes.every((code) => code >= -8 && code <= 7))
  })

  it('reach to the lowest code, as AIMET has it', () => {
    const values = ['x', 'a', 'b', 'y'].map((name) => ({ ...activation, name }))
    const weights = [one, two, three].map((name) => ({ ...parameter, name }))
    const written = insertQdq(model, planFrom(model, first(values, weights)))
    const codes = written.graph.initializers.get('Conv_b/weight/q')?.numbers() ?? []
    assert.deepEqual([Math.min(...codes), Math.max(...codes)], [-128, 127])
  })

  const cases: readonly (readonly [
    what: string,
    json: unknown,
    error: typeof InputError | typeof UnsupportedError,
    RegExp,
  ])[] = [
    [
      'another file',
      { a: 1 },
      InputError,
      /cannot read the encodings e\.json: expected AIMET's JSON of version 1\.0\.0 or 2\.0\.0, got no version/,
    ],
    ['an older form', { version: '0.6.1' }, InputError, /got version "0\.6\.1"; export them again/],
    ['an entry without a name', first([activation]), InputError, /activation_encodings\.0\.name/],
    [
      'a name that is not there',
      first([{ ...activation, name: 'aa' }]),
      InputError,
      /name "aa", which m\.onnx does not have; did you mean "a"\?/,
    ],
    [
      'two grids of one tensor',
      first([
        { ...activation, name: 'a' },
        { ...activation, name: 'a' },
      ]),
      InputError,
      /say two things of "a"/,
    ],
    [
      'a value of 4 bits',
      first([{ ...activation, name: 'a', bw: 4 }]),
      UnsupportedError,
      /"a" of the encodings e\.json has 4 bits; values of ort-cpu can be uint8, int8/,
    ],
    [
      'a weight of 16 bits',
      first([], [{ ...parameter, name: two, bw: 16 }]),
      UnsupportedError,
      /has 16 bits; weights can have 8 or 4/,
    ],
    [
      'a weight that is not symmetric',
      first([], [{ ...parameter, name: two, is_sym: false, offset: [-100] }]),
      UnsupportedError,
      /is not symmetric, and weights have the zero point 0/,
    ],
    [
      'channels that do not fit',
      first([], [{ ...parameter, name: two, enc_type: 'PER_CHANNEL', scale: [1, 2, 3], offset: [-128, -128, -128] }]),
      InputError,
      /has 3 scales, and Conv "Conv_b" has 4 output channels/,
    ],
    [
      'an axis that does not fit',
      {
        version: '2.0.0',
        encodings: [{ name: two, output_dtype: 'int8', y_scale: [0.01, 0.01, 0.01, 0.01], axis: 1 }],
      },
      InputError,
      /has its scales along axis 1, and the output channels .* lie along 0/,
    ],
    [
      'blocks',
      { version: '2.0.0', encodings: [{ name: two, output_dtype: 'int4', y_scale: [[0.01]], axis: 1, block_size: 4 }] },
      InputError,
      /has a grid in blocks/,
    ],
    [
      'a weight of another form of the model',
      first([], [{ ...parameter, name: two, scale: [100] }]),
      InputError,
      /reaches to ±1\.27e\+4, and the weight of Conv "Conv_b" of m\.onnx, .* give the model that was exported/,
    ],
    [
      'a shifted zero point',
      first([{ ...activation, name: 'a', zero_point_shift: [0.5] }]),
      InputError,
      /shifted zero point/,
    ],
  ]
  for (const [what, json, error, message] of cases)
    it(`are refused for ${what}, in one sentence`, () => {
      assert.throws(
        () => planFrom(model, json),
        (thrown) => thrown instanceof error && message.test(thrown.message) && !thrown.message.includes('\n'),
      )
    })

  it('say which of them nothing takes', () => {
    const notes: string[] = []
    const scaled = tinyModel('x[N,4,8,8] -> Conv 3x3 4->8 -> a -> Pow number(2) -> y')
    const constant = [...scaled.graph.initializers.keys()].at(-1)
    planFrom(
      scaled,
      first(
        [
          { ...activation, name: 'a' },
          { ...activation, name: 'x' },
        ],
        [{ ...parameter, name: constant }],
      ),
      notes,
    )
    assert.match(notes.join(), new RegExp(`1 encodings of e\\.json are of tensors that are gone .*: ${constant}`))
  })
})
