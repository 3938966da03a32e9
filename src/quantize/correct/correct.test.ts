import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { randomFeeds, testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { calibrate } from '../../calibrate/index.ts'
import { plainProducts, sqnrDb } from '../../math/index.ts'
import { type Model, type Shapes, Tensor, withTensors } from '../../onnx/index.ts'
import { observeShapes, typesOf, type Values, withSession } from '../../runtime/index.ts'
import { insertQdq } from '../insert.ts'
import { type QuantizeOptions, quantizeDefaults } from '../options.ts'
import { layersIn, place } from '../placement/placement.ts'
import { makePlan, type Plan } from '../plan.ts'
import { weightBitsOf } from '../weight-bits.ts'
import { correctBias, roundAndCorrect } from './correct.ts'
import { meanShift, shiftInPlace, shiftRatio, squaredError } from './mean-shift.ts'
import { correctionsIn, onRanges } from './on-ranges.ts'
import { readingOn } from './reading.ts'

describe('mean shifts', () => {
  interface Array4 {
    readonly dims: number[]
    readonly data: number[]
  }
  const { cases } = JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/bias-correction.json'), 'utf8')) as {
    cases: {
      input: { x: Array4; w: Array4; wq: Array4 }
      options: { groups: number; pad: number }
      expected: { empiricalShift: number[] }
    }[]
  }

  /** A plain convolution of stride 1. */
  function conv(x: Array4, w: Array4, groups: number, pad: number) {
    const [n = 1, c = 1, h = 1, width = 1] = x.dims
    const [m = 1, , kh = 1, kw = 1] = w.dims
    const [oh, ow] = [h + 2 * pad - kh + 1, width + 2 * pad - kw + 1]
    const per = c / groups
    const data = new Float32Array(n * m * oh * ow)
    let at = 0
    for (let b = 0; b < n; b++)
      for (let o = 0; o < m; o++)
        for (let y = 0; y < oh; y++)
          for (let z = 0; z < ow; z++, at++) {
            let sum = 0
            for (let i = 0; i < per; i++)
              for (let p = 0; p < kh; p++)
                for (let q = 0; q < kw; q++) {
                  const [row, column] = [y + p - pad, z + q - pad]
                  if (row < 0 || row >= h || column < 0 || column >= width) continue
                  const channel = Math.floor(o / (m / groups)) * per + i
                  sum +=
                    (x.data[((b * c + channel) * h + row) * width + column] ?? 0) *
                    (w.data[((o * per + i) * kh + p) * kw + q] ?? 0)
                }
            data[at] = sum
          }
    return { dtype: 'float32' as const, dims: [n, m, oh, ow], data }
  }

  it('are those of an independent implementation, with borders and groups', () => {
    for (const { input, options, expected } of cases) {
      const [float, changed] = [input.w, input.wq].map((w) => conv(input.x, w, options.groups, options.pad))
      assert.ok(float && changed)
      const seen = meanShift([float], [changed], 'second')
      for (const [c, shift] of expected.empiricalShift.entries())
        assert.ok(Math.abs((seen?.error[c] ?? 0) - shift) < 2e-5, `channel ${c}: ${seen?.error[c]}, expected ${shift}`)
      shiftInPlace(changed, seen?.error.map((x) => -x) ?? new Float64Array(0), 'second')
      const left = meanShift([float], [changed], 'second')
      assert.ok(left && shiftRatio(left) < 1e-5)
    }
  })
})

describe('mean shifts behind a function', () => {
  it('are those of its values, and say how far a shift moves them', () => {
    const value = (...data: number[]) => ({
      dtype: 'float32' as const,
      dims: [1, 1, data.length],
      data: Float32Array.from(data),
    })
    const [float, changed] = [value(-8, -4, 2, 6), value(-9, -6, 3, 6)]
    const relu = readingOn((x) => Math.max(x, 0), [float, changed])
    const seen = meanShift([float], [changed], 'second', relu)
    assert.ok(Math.abs((seen?.error[0] ?? 0) - 0.25) < 1e-3, `${seen?.error[0]}`)
    assert.equal(seen?.slope[0], 0.5)
    assert.equal(meanShift([float], [changed], 'second')?.error[0], -0.5)
    assert.ok(
      Math.abs(squaredError([float], [changed], 'second', { shift: Float64Array.of(-1), heard: relu }) - 1) < 1e-2,
    )
  })

  it('has no table where all values are one, or not finite', () => {
    const of = (...data: number[]) => ({
      dtype: 'float32' as const,
      dims: [data.length],
      data: Float32Array.from(data),
    })
    assert.equal(
      readingOn((x) => x, [of(1, 1)]),
      undefined,
    )
    assert.equal(
      readingOn((x) => x, [of(1, Number.POSITIVE_INFINITY)]),
      undefined,
    )
  })
})

describe('correcting layers', async () => {
  const runtime = await testRuntime()

  /** Neighbours alike, as in pictures: what second-order rounding lives on. */
  function smoothFeeds(model: Model, seed: number): Values {
    return Object.fromEntries(
      Object.entries(randomFeeds(model, seed)).map(([name, value]) => {
        const data = Float32Array.from(value.data, Number)
        for (let i = 1; i < data.length; i++) data[i] = 0.95 * (data[i - 1] ?? 0) + 0.3 * (data[i] ?? 0)
        return [name, { dtype: 'float32' as const, dims: value.dims, data }]
      }),
    )
  }

  /** A model, its quantisation on a few inputs, and those inputs. */
  async function quantized(model: Model, more: Partial<QuantizeOptions> = {}) {
    const batches = Array.from({ length: 24 }, (_, seed) => smoothFeeds(model, seed))
    const shapes = await observeShapes(runtime, model, batches[0] ?? {})
    const options = { ...quantizeDefaults, ...more }
    const placement = place(model, options, typesOf(model))
    const requests = [...placement.tensors.values()].map(({ value }) => ({ value }))
    async function* stream() {
      for (const inputs of batches) yield { ids: ['a', 'b'], size: 2, inputs }
    }
    const statistics = await calibrate(runtime, model, stream(), { requests, shapes, total: 48 })
    const weightBits = weightBitsOf(layersIn(model, placement.layers), model.graph.nodes, options)
    const plan = makePlan(model, placement, { statistics, options, weightBits })
    return { model, plan, quantized: insertQdq(model, plan), shapes, batches }
  }

  const pairOf = ({ model, quantized, plan }: { model: Model; quantized: Model; plan: Plan }) => ({
    float: model,
    quantized,
    plan,
  })

  async function outputsOf(model: Model, batches: readonly Values[]): Promise<number[]> {
    return withSession(runtime, model, { simulate: true }, async (session) => {
      const all: number[] = []
      for (const feeds of batches)
        for (const { data } of Object.values(await session.run(feeds))) all.push(...Array.from(data, Number))
      return all
    })
  }

  /** The codes of a layer's bias and their scale. */
  function correctionsOf(
    model: Model,
    layer: string,
  ): { readonly name: string; readonly codes: number[]; readonly scale: number[] } {
    const name = `${layer}/bias`
    const read = (part: string) => Array.from(model.graph.initializers.get(`${name}/${part}`)?.numbers() ?? [])
    return { name: `${name}/q`, codes: read('q'), scale: read('scale') }
  }

  function withShift(model: Model, { name, codes, scale }: ReturnType<typeof correctionsOf>, shift: number): Model {
    const moved = Int32Array.from(codes, (code, c) =>
      Math.round(code + shift / (scale[scale.length === 1 ? 0 : c] ?? 1)),
    )
    return withTensors(model, new Map([[name, Tensor.from('int32', [moved.length], moved)]]))
  }

  const options = (shapes: Shapes) => ({ shapes, validation: (batch: number) => batch >= 18 })
  const rounding = (shapes: Shapes) => ({ ...options(shapes), products: plainProducts, seed: 0 })
  const drawing =
    'x[N,3,8,8] -> Conv 3x3 3->8 -> Relu -> Conv 3x3 8->8 group=8 -> Relu -> Conv 1x1 8->6 -> Relu -> Flatten -> Gemm 96->4 -> y'

  /** One channel of the first weight a hundred times the others: what a single scale destroys. */
  function uneven(): Model {
    const model = tinyModel(drawing)
    const node = model.graph.nodes.find(({ opType }) => opType === 'Conv')
    const weight = model.graph.initializers.get(node?.inputs[1] ?? '')
    assert.ok(node && weight)
    const values = weight.floats().slice()
    for (let i = 0; i < 27; i++) values[i] = (values[i] ?? 0) * 100
    model.graph.initializers.set(node.inputs[1] ?? '', Tensor.from('float32', weight.shape, values))
    return model
  }

  it('gives every layer the float mean, and the network a better output', async () => {
    // Few bits shift means by much; at eight this network loses by noise, which no bias can take away.
    const made = await quantized(uneven(), { weights: 'per-tensor', weightBits: 4, keep8bit: ['none'] })
    const corrected = await correctBias(runtime, pairOf(made), made.batches, options(made.shapes))
    assert.deepEqual(
      corrected.layers.map(({ name }) => name),
      [...made.plan.placement.layers],
    )
    const sum = (side: 'before' | 'after') =>
      corrected.layers.reduce((total, { bias }) => total + (bias?.[side] ?? Number.NaN), 0)
    assert.ok(sum('after') < 0.9 * sum('before'), `${sum('before')} → ${sum('after')}`)
    const fresh = Array.from({ length: 48 }, (_, seed) => smoothFeeds(made.model, 100 + seed))
    const float = await outputsOf(made.model, fresh)
    const before = sqnrDb(float, await outputsOf(made.quantized, fresh)) ?? 0
    const after = sqnrDb(float, await outputsOf(corrected.model, fresh)) ?? 0
    assert.ok(after > before + 1, `${before} → ${after} dB`)
  })

  it('rounds weights so that the output error falls, on the grid that the plan then says', async () => {
    const made = await quantized(tinyModel(drawing), { weightBits: 4, keep8bit: ['none'] })
    const { model, quantized: naive, batches, shapes } = made
    const plain = await correctBias(runtime, { float: model, quantized: naive }, batches, options(shapes))
    const rounded = await roundAndCorrect(runtime, pairOf(made), batches, rounding(shapes))
    const validation = made.batches.slice(18)
    const float = await outputsOf(made.model, validation)
    const db = async (model: Model) => sqnrDb(float, await outputsOf(model, validation)) ?? 0
    const [before, after] = [await db(plain.model), await db(rounded.model)]
    assert.ok(after > before + 1, `${before} → ${after} dB`)
    for (const [name, { scale }] of rounded.plan.weights) {
      const written = rounded.model.graph.initializers.get(`${name}/weight/scale`)
      assert.deepEqual([...(written?.floats() ?? [])], [...scale])
    }
  })

  it('corrects the mean of what readers make of an output, not of what they do not hear', async () => {
    const made = await quantized(
      tinyModel('x[N,3,8,8] -> Conv 3x3 3->6 -> HardSwish -> Conv 1x1 6->2 -> y', { opset: 20 }),
    )
    const [conv] = made.plan.placement.layers.keys()
    assert.ok(conv)
    const found = correctionsOf(made.quantized, conv)
    // Two steps of the bias too low: what lies far below 0 moves as far, and is not heard.
    const shifted = withShift(made.quantized, found, -0.4)
    const { layers } = await correctBias(
      runtime,
      { float: made.model, quantized: shifted },
      made.batches,
      options(made.shapes),
    )
    const { before = 0, after = 1 } = layers[0]?.bias ?? {}
    assert.ok(after < 0.2 * before, `${before} to ${after}`)
  })

  it('leaves the models that it was given untouched', async () => {
    const made = await quantized(tinyModel(drawing))
    const before = new Map(made.quantized.graph.initializers)
    await correctBias(runtime, pairOf(made), made.batches, options(made.shapes))
    assert.deepEqual(made.quantized.graph.initializers, before)
  })

  it('corrects the constant that a MatMul adds', async () => {
    const made = await quantized(
      tinyModel('x[N,5,12] -> MatMul 12->8 -> Add floats[8] -> Relu -> MatMul 8->4 -> Add floats[4] -> y'),
    )
    const corrected = await correctBias(runtime, pairOf(made), made.batches, options(made.shapes))
    assert.ok(corrected.layers.every(({ bias }) => bias?.left !== 'it has no bias'))
  })

  it('puts a cap for each channel between Q and DQ, where the convolution still fuses', async () => {
    const model = tinyModel('x[N,3,8,8] -> Conv 3x3 3->4 -> Relu -> Min floats[1,4,1,1] -> Conv 1x1 4->5 -> y')
    for (const [name, { shape, dtype }] of model.graph.initializers)
      if (shape.join() === '1,4,1,1') model.graph.initializers.set(name, Tensor.from('float32', shape, [9, 0.5, 1, 2]))
      else assert.equal(dtype, 'float32')
    const made = await quantized(model)
    assert.equal(made.plan.placement.caps.size, 1)
    const min = made.quantized.graph.nodes.find(({ opType }) => opType === 'Min')
    const producer = made.quantized.graph.nodes.find(({ outputs }) => outputs[0] === min?.inputs[0])
    assert.equal(producer?.opType, 'QuantizeLinear')
    const [float, integer] = [await outputsOf(made.model, made.batches), await outputsOf(made.quantized, made.batches)]
    assert.ok((sqnrDb(float, integer) ?? 0) > 25)
  })

  it('keeps codes and biases when the ranges of activations change', async () => {
    const made = await quantized(uneven(), { weights: 'per-tensor', weightBits: 4, keep8bit: ['none'] })
    const { model, quantized: naive, plan, batches, shapes } = made
    const rounded = await roundAndCorrect(runtime, { float: model, quantized: naive, plan }, batches, rounding(shapes))
    const wider: Plan = {
      ...made.plan,
      activations: new Map(
        [...made.plan.activations].map(([value, grid]) => [
          value,
          { ...grid, params: { ...grid.params, scale: grid.params.scale.map((s) => s * 1.25) } },
        ]),
      ),
    }
    const moved = onRanges(made.model, correctionsIn(rounded.model, rounded.plan), rounded.plan, wider)
    for (const [name, tensor] of rounded.model.graph.initializers)
      if (name.endsWith('weight/q'))
        assert.deepEqual(moved.model.graph.initializers.get(name)?.values(), tensor.values())
    const bias = (model: Model, name: string) => {
      const [codes, scale] = ['q', 'scale'].map((part) => model.graph.initializers.get(`${name}/bias/${part}`))
      return codes?.numbers().map((code, c) => code * (scale?.floats()[scale.size === 1 ? 0 : c] ?? 0)) ?? []
    }
    for (const name of made.plan.weights.keys()) {
      const [before, after] = [bias(rounded.model, name), bias(moved.model, name)]
      assert.ok(before.length > 0, name)
      // Half a step of the new grid, which is as coarse as the scales of input and weight make it.
      const step = moved.model.graph.initializers.get(`${name}/bias/scale`)?.floats()[0] ?? 0
      for (const [c, value] of before.entries())
        assert.ok(Math.abs(value - (after[c] ?? 0)) <= 0.501 * step, `${value}, ${after[c]}, step ${step}`)
    }
    const validation = made.batches.slice(18)
    const float = await outputsOf(made.model, validation)
    const db = async (model: Model) => sqnrDb(float, await outputsOf(model, validation)) ?? 0
    const [now, then] = [await db(moved.model), await db(rounded.model)]
    assert.ok(now > then - 2, `${then} → ${now} dB`)
  })
})
