import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { dataset, indices, size } from '../../../test/support/labelled-noise.ts'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { batches, type Dataset, readSamples } from '../../data/index.ts'
import { randomStream } from '../../math/index.ts'
import { type Model, Tensor, withTensors } from '../../onnx/index.ts'
import { crossEntropy } from '../loss/terms.ts'
import { noiseTerms } from './noise-terms.ts'
import { quantTrainableModel } from './quant-trainable-model.ts'
import { trainBiases } from './train-biases.ts'
import { tuneBias } from './tune-bias.ts'

const net =
  'x[N,3,8,8] -> Conv 3x3 3->8 pads=1,1,1,1 -> Relu -> Conv 3x3 8->8 group=8 pads=1,1,1,1 -> Relu -> GlobalAveragePool -> Flatten -> Gemm 8->3 -> y'
/** The second output's numbers are a thousand times as large. */
const twoScales =
  'x[N,3,8,8] -> Conv 3x3 3->8 pads=1,1,1,1 -> Relu -> GlobalAveragePool -> Flatten -> a -> Gemm 8->3 -> y; a -> Gemm 8->3 -> Mul number(1000) -> z'

/** A float model and its quantisation. */
async function quantizedOf(drawing: string): Promise<{ float: Model; quantized: Model }> {
  const trainable = await quantTrainableModel(
    await testRuntime(),
    tinyModel(drawing),
    (await dataset.sample(0)).inputs,
    {
      train: 'all',
      batch: 8,
      loss: [crossEntropy()],
      weightBits: 8,
      activationBits: 8,
      calibration: () => ({ batches: batches(readSamples(dataset, indices), 8), total: size }),
    },
  )
  return { float: trainable.prepared.model, quantized: trainable.exported(trainable.initial) }
}

/** Biases moved by many steps. */
function moved(quantized: Model, by: number): Model {
  const tensors = [...quantized.graph.initializers].flatMap(([name, tensor]): [string, Tensor][] => {
    if (!name.endsWith('/bias/q')) return []
    const codes = Int32Array.from(tensor.numbers(), (code, i) => code + (i % 2 === 0 ? 3 : -2) * by)
    return [[name, Tensor.from('int32', tensor.shape, codes)]]
  })
  assert.ok(tensors.length > 0, 'the model has no biases')
  return withTensors(quantized, new Map(tensors))
}

describe('tuneBias', () => {
  it('repairs biases that were moved, and leaves scales, weights and the model given as they are', async () => {
    const { float, quantized } = await quantizedOf(net)
    const spoiled = moved(quantized, 1000)
    const tuned = await tuneBias(
      await testRuntime(),
      { float, quantized: spoiled },
      { dataset, indices },
      {
        seed: 0,
        epochs: 20,
        rate: 0.02,
      },
    )
    assert.ok(tuned.kept && tuned.after > tuned.before + 3, `${tuned.before} → ${tuned.after} dB`)
    for (const [name, tensor] of tuned.model.graph.initializers)
      if (!/bias/.test(name)) assert.equal(tensor, spoiled.graph.initializers.get(name), name)
  })

  it('finds a step that helps by itself', async () => {
    const { float, quantized } = await quantizedOf(net)
    const tuned = await tuneBias(
      await testRuntime(),
      { float, quantized: moved(quantized, 300) },
      { dataset, indices },
      { seed: 0 },
    )
    assert.ok(tuned.kept && tuned.after > tuned.before + 0.5, `${tuned.before} → ${tuned.after} dB`)
  })

  it('is dropped where it gains nothing', async () => {
    const { float, quantized } = await quantizedOf(net)
    const options = { seed: 0, epochs: 1, rate: 1e-9 }
    const tuned = await tuneBias(await testRuntime(), { float, quantized }, { dataset, indices }, options)
    assert.equal(tuned.kept, false)
    assert.equal(tuned.model, quantized)
  })

  it('leaves a model without biases as it is, and says why', async () => {
    const { float, quantized } = await quantizedOf('x[N,3,8,8] -> Flatten -> MatMul 192->3 -> y')
    const tuned = await tuneBias(await testRuntime(), { float, quantized }, { dataset, indices }, { seed: 0 })
    assert.equal(tuned.left, 'no layer has a bias')
    assert.equal(tuned.model, quantized)
  })
})

describe('trainBiases', () => {
  it('is left out with the reason where samples are of different sizes', async () => {
    const { float, quantized } = await quantizedOf(net.replace('[N,3,8,8]', '[N,3,H,W]'))
    const mixed: Dataset = {
      ...dataset,
      sample: async (index) => {
        const side = index % 2 === 0 ? 8 : 6
        const data = Float32Array.from({ length: 3 * side ** 2 }, randomStream(index, 'noise').normal)
        return { id: String(index), inputs: { x: { dtype: 'float32', dims: [1, 3, side, side], data } } }
      },
    }
    const trained = await trainBiases(
      await testRuntime(),
      { float, quantized },
      { dataset: mixed, indices },
      { seed: 0 },
    )
    assert.match('left' in trained ? trained.left : '', /give all samples one size/)
  })

  it('weighs outputs by their noise: both improve, although the numbers of one are a thousand times as large', async () => {
    const { float, quantized } = await quantizedOf(twoScales)
    const spoiled = moved(quantized, 300)
    const runtime = await testRuntime()
    const before = await noiseTerms(runtime, { float, quantized: spoiled }, { dataset, indices }, {})
    assert.equal(before.length, 2)
    const ratio = before[0]!.weight / before[1]!.weight
    assert.ok(ratio > 1e4, `weights differ by ${ratio}, the squares of the outputs by a million`)
    const trained = await trainBiases(
      runtime,
      { float, quantized: spoiled },
      { dataset, indices },
      { seed: 0, rate: 0.01 },
    )
    assert.ok('model' in trained, 'it was left out')
    const after = await noiseTerms(runtime, { float, quantized: trained.model }, { dataset, indices }, {})
    for (const [i, { own, weight }] of after.entries())
      assert.ok(weight > 1.5 * before[i]!.weight, `"${own}": noise ${1 / before[i]!.weight} → ${1 / weight}`)
  })

  it('makes several runs a step where the batch would not fit, to the same effect', async () => {
    const { float, quantized } = await quantizedOf(net)
    const spoiled = moved(quantized, 1000)
    const options = { seed: 0, rate: 0.01, epochs: 3 }
    const [whole, single] = [
      await trainBiases(await testRuntime(), { float, quantized: spoiled }, { dataset, indices }, options),
      await trainBiases(
        await testRuntime(),
        { float, quantized: spoiled },
        { dataset, indices },
        { ...options, memory: 250.2e6 },
      ),
    ]
    assert.ok('model' in whole && 'model' in single, `left out: ${JSON.stringify({ whole, single })}`)
    const noise = async (model: Model) =>
      (await noiseTerms(await testRuntime(), { float, quantized: model }, { dataset, indices }, {}))[0]!.weight
    const [a, b] = [await noise(whole.model), await noise(single.model)]
    assert.ok(Math.abs(a / b - 1) < 0.05, `noise ${1 / a} and ${1 / b}`)
  })

  it('is left out, with the figures, where not even one sample fits in memory', async () => {
    const { float, quantized } = await quantizedOf(net)
    const trained = await trainBiases(
      await testRuntime(),
      { float, quantized },
      { dataset, indices },
      { seed: 0, memory: 1e6 },
    )
    assert.match('left' in trained ? trained.left : '', /takes about \d+ MB of memory, and 1 MB are there/)
  })
})
