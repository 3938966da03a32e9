import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { freshScores } from '../../../test/support/fresh-scores.ts'
import { datasetOf, type OpGraph } from '../../../test/support/op-graphs.ts'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { UnsupportedError } from '../../base/index.ts'
import { randomStream } from '../../math/index.ts'
import { intAttr, type Model, makeModel, makeNode, Tensor } from '../../onnx/index.ts'
import { parseRecipe } from '../../recipe/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { CalibrationSamples } from './calibration-samples.ts'
import { quantizeDynamic } from './dynamic-mode.ts'
import type { ModeJob, Produced } from './mode.ts'
import { produceQuantized } from './produce.ts'

const countOf = (model: Model, opType: string) => model.graph.nodes.filter((node) => node.opType === opType).length

describe('--mode dynamic', () => {
  let runtime: Runtime
  before(async () => {
    runtime = await testRuntime()
  })

  const drawing = 'x[N,6,64] -> MatMul 64->64 -> Add floats[64] -> Tanh -> a; a -> MatMul 64->32 -> y'
  /** Fresh samples reach three times as far as those that were seen. */
  const samples = (name: string, count: number, reach: number) =>
    datasetOf(name, [1, 6, 64], count, (data, random) => {
      for (const i of data.keys()) data[i] = random.uniform(-reach, reach)
    })
  const graph = (model: Model): OpGraph => ({
    name: 'small.onnx',
    model,
    calibration: samples('calibration', 32, 1),
    fresh: samples('fresh', 32, 3),
  })

  async function produced({ model, calibration }: OpGraph, given: Record<string, unknown>): Promise<Produced> {
    const recipe = parseRecipe('quantize', { model: 'small.onnx', data: 'random', mode: 'dynamic', ...given })
    const indices = Array.from({ length: calibration.size }, (_, i) => i)
    const material = { original: model, samples: new CalibrationSamples(calibration, indices), inputs: new Map() }
    return produceQuantized(runtime, recipe, material, { notes: [] })
  }

  it('holds on samples that reach further than those it saw, where static ranges clip', async () => {
    const small = graph(tinyModel(drawing))
    const [dynamic, fixed] = [await produced(small, {}), await produced(small, { mode: 'static' })]
    const [moving = 0, still = 0] = await freshScores(runtime, small, [dynamic.quantized, fixed.quantized])
    assert.ok(moving > 30, `${moving} dB`)
    assert.ok(moving > still + 6, `${moving} dB, and ${still} dB with static ranges`)
    assert.equal(countOf(dynamic.quantized, 'MatMulInteger'), 2)
    assert.ok((dynamic.ladder?.length ?? 0) > 1, 'techniques were tried')
  })

  it('needs no sample, and leaves convolutions float then', async () => {
    const small = graph(tinyModel(`x[N,6,64] -> MatMul 64->64 -> Relu -> a; a -> MatMul 64->32 -> y`))
    const { quantized } = await produced(small, { data: 'none' })
    assert.equal(countOf(quantized, 'MatMulInteger'), 2)
    const [kept = 0] = await freshScores(runtime, small, [quantized])
    assert.ok(kept > 30, `${kept} dB`)
    const convolution = tinyModel('x[N,4,6,6] -> Conv 1x1 4->8 -> Relu -> Flatten -> f; f -> Gemm 288->64 -> y')
    const other = { ...small, model: convolution, calibration: datasetOf('maps', [1, 4, 6, 6], 4, () => undefined) }
    const made = await produced(other, { data: 'none' })
    assert.equal(countOf(made.quantized, 'Conv'), 1)
    assert.equal(countOf(made.quantized, 'QuantizeLinear'), 0)
    assert.equal(countOf(made.quantized, 'MatMulInteger'), 1)
  })

  it('writes no convolution of integers whose range moves', async () => {
    const model = tinyModel('x[N,4,6,6] -> Conv 1x1 4->8 -> Sigmoid -> Flatten -> f; f -> Gemm 288->64 -> y')
    const small = {
      ...graph(model),
      calibration: datasetOf('maps', [1, 4, 6, 6], 16, (data, random) => {
        for (const i of data.keys()) data[i] = random.normal()
      }),
    }
    const { quantized } = await produced(small, { techniques: ['none'] })
    assert.equal(countOf(quantized, 'ConvInteger'), 0)
    assert.ok(countOf(quantized, 'QuantizeLinear') > 0, 'the convolution has static grids')
  })

  it('is refused below opset 11 in one sentence', async () => {
    const model = tinyModel(drawing, { opset: 9 })
    const recipe = parseRecipe('quantize', { model: 'small.onnx', data: 'random', mode: 'dynamic' })
    await assert.rejects(
      () => quantizeDynamic({ model, recipe, material: {} } as ModeJob),
      (error) => error instanceof UnsupportedError && /small\.onnx is at opset 9 .* needs opset 11/.test(error.message),
    )
  })

  describe('LSTMs', () => {
    const [steps, inputs, units] = [12, 8, 16]
    /** x[12,N,8] -> LSTM of 16 units whose weights are so large -> MatMul 16->4 -> y */
    const recurrent = (size: number): OpGraph => {
      const random = randomStream(7, 'recurrent')
      const normal = (shape: readonly number[], scale: number) =>
        Tensor.from(
          'float32',
          shape,
          Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => scale * random.normal()),
        )
      const draw = (name: string, count: number) =>
        datasetOf(name, [steps, 1, inputs], count, (data, own) => {
          for (const i of data.keys()) data[i] = own.normal()
        })
      const model = makeModel({
        name: 'recurrent',
        nodes: [
          makeNode({
            ...{ opType: 'LSTM', name: 'cell', inputs: ['x', 'w', 'r'], outputs: ['', 'h'] },
            attributes: { hidden_size: intAttr(units) },
          }),
          makeNode({ opType: 'MatMul', name: 'head', inputs: ['h', 'm'], outputs: ['y'] }),
        ],
        inputs: [{ name: 'x', dtype: 'float32', shape: [steps, 1, inputs] }],
        outputs: [{ name: 'y', dtype: 'float32', shape: [1, 1, 4] }],
        initializers: {
          w: normal([1, 4 * units, inputs], size),
          r: normal([1, 4 * units, units], size),
          m: normal([units, 4], 0.5),
        },
      })
      return { name: 'recurrent.onnx', model, calibration: draw('calibration', 24), fresh: draw('fresh', 24) }
    }

    it('take integers where outputs keep 20 dB, on fresh samples too', async () => {
      const graph = recurrent(0.3)
      const { quantized } = await produced(graph, {})
      assert.equal(countOf(quantized, 'DynamicQuantizeLSTM'), 1)
      const [db = 0] = await freshScores(runtime, graph, [quantized])
      assert.ok(db > 20, `${db} dB`)
    })

    it('stay float where a chaotic cell makes noise of every step, where they are excluded, and where nothing is measured', async () => {
      for (const [size, more] of [
        [6, {}],
        [0.3, { exclude: ['cell'] }],
        [0.3, { data: 'none' }],
        [0.3, { effort: 'fast' }],
      ] as const) {
        const { quantized } = await produced(recurrent(size), more)
        assert.equal(countOf(quantized, 'LSTM'), 1, JSON.stringify([size, more]))
        assert.equal(countOf(quantized, 'DynamicQuantizeLSTM'), 0)
      }
    })
  })
})
