import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { dataset, indices, size } from '../../../test/support/labelled-noise.ts'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { batches, readSamples } from '../../data/index.ts'
import { isOp, type Model, Tensor, writeModel } from '../../onnx/index.ts'
import { lintFusion, targets } from '../../quantize/index.ts'
import { optimizedGraph } from '../../runtime/index.node.ts'
import { withSession } from '../../runtime/index.ts'
import { finetune } from '../finetune.ts'
import { makeBatch, SampleStore } from '../loop/sample-store.ts'
import { crossEntropy, type LossTerm, outputSquares } from '../loss/terms.ts'
import { chanceDb, isAsNear } from '../score.ts'
import { FEEDS } from '../training-graph.ts'
import { type QuantTrainableOptions, quantTrainableModel } from './quant-trainable-model.ts'

/** Depthwise and plain convolutions, a capped activation, a residual Add, a pool, a Gemm. */
const net = (): Model =>
  tinyModel(
    'x[N,3,8,8] -> Conv 3x3 3->8 pads=1,1,1,1 -> Clip number(0) number(6) -> a -> Conv 3x3 8->8 group=8 pads=1,1,1,1 -> Relu -> Conv 1x1 8->8 -> b; a -> Add =b -> Relu -> MaxPool 2x2 strides=2,2 -> GlobalAveragePool -> Flatten -> Gemm 8->3 -> y',
  )

async function trainableOf(weightBits: number, activationBits: 4 | 8 | 16, more: Partial<QuantTrainableOptions> = {}) {
  return quantTrainableModel(await testRuntime(), net(), (await dataset.sample(0)).inputs, {
    train: 'all',
    batch: 8,
    loss: [crossEntropy()],
    weightBits,
    activationBits,
    calibration: () => ({ batches: batches(readSamples(dataset, indices), 8), total: size }),
    ...more,
  })
}

/** Cross entropy of rows of scores. */
function lossOf(scores: Float32Array, labels: readonly number[]): number {
  const classes = scores.length / labels.length
  let sum = 0
  for (const [row, label] of labels.entries()) {
    const own = scores.subarray(row * classes, (row + 1) * classes)
    const top = Math.max(...own)
    sum -= own[label]! - top - Math.log(own.reduce((total, z) => total + Math.exp(z - top), 0))
  }
  return sum / labels.length
}

describe('quantisation-aware training', () => {
  it('trains for the target that it is told: layers that are faster in float there stay float', async () => {
    const [first] = targets
    const slow = { depthwise: true, why: 'it is slow there' }
    const target = { ...first, ops: first.ops.map((op) => (op.op === 'Conv' ? { ...op, slow: [slow] } : op)) }
    const plans = [await trainableOf(8, 8), await trainableOf(8, 8, { quantize: { target } })].map(({ plan }) => plan)
    const [usual, other] = plans.map((plan) => plan?.weights.size ?? 0)
    assert.equal(usual, (other ?? 0) + 1)
    assert.equal(plans[1]?.placement.target, target)
  })

  for (const [weightBits, activationBits, weights] of [
    [8, 8, 'per-channel'],
    [4, 8, 'per-channel'],
    [3, 4, 'per-tensor'],
    [2, 4, 'per-channel'],
    [8, 16, 'per-tensor'],
  ] as const)
    it(`writes a file that computes what was trained: W${weightBits}A${activationBits} ${weights}`, async () => {
      const trainable = await trainableOf(weightBits, activationBits, { quantize: { weights } })
      const { graph } = trainable
      const tuned = await finetune(
        await testRuntime(),
        trainable,
        { dataset, indices },
        { epochs: 1, batch: 8, rate: 0.01, seed: 0 },
      )
      const values = tuned.result.values
      // A scale that fills the range of a Clip cannot grow.
      for (const [name, array] of values)
        if (name !== 'train/scale/a')
          assert.notDeepEqual([...array], [...trainable.initial.get(name)!], `${name} was not trained`)
      const places = [0, 1, 2, 3, 4, 5, 6, 7]
      const batch = await makeBatch(new SampleStore(dataset, indices), graph, { places, seed: 0, epoch: 0 }, 3)
      const feeds = {
        ...batch.inputs,
        [FEEDS.labels]: { dtype: 'int64' as const, dims: [8], data: batch.labels },
        [FEEDS.rowWeight]: { dtype: 'float32' as const, dims: [8], data: batch.rowWeight },
        ...Object.fromEntries(
          graph.parameters.map(({ name, dims }) => [
            name,
            { dtype: 'float32' as const, dims, data: values.get(name)! },
          ]),
        ),
      }
      const trained = await withSession(await testRuntime(), graph.model, { optimization: 'disabled' }, (s) =>
        s.run(feeds),
      )
      const written = await withSession(
        await testRuntime(),
        tuned.model,
        { optimization: 'disabled', simulate: true },
        (s) => s.run(batch.inputs),
      )
      const scores = Object.values(written)[0]!.data as Float32Array
      const expected = Number(trained[graph.loss]!.data[0])
      const got = lossOf(
        scores,
        places.map((place) => place % 3),
      )
      assert.ok(Math.abs(got - expected) < 2e-3 * Math.max(1, expected), `trained ${expected}, written ${got}`)
      const top = 2 ** (weightBits - 1) - 1
      for (const [name, tensor] of tuned.model.graph.initializers)
        if (name.endsWith('/weight/q'))
          assert.ok(
            tensor.numbers().every((code) => Math.abs(code) <= top),
            name,
          )
    })

  it('keeps the integer kernels, also with 4-bit codes in bytes', async () => {
    for (const bits of [4, 8] as const) {
      const trainable = await trainableOf(4, bits)
      const tuned = await finetune(
        await testRuntime(),
        trainable,
        { dataset, indices },
        { epochs: 2, batch: 8, rate: 0.05, seed: 0 },
      )
      const kernels = lintFusion(tuned.model, await optimizedGraph(await testRuntime(), tuned.model), targets[0])
      assert.deepEqual(
        kernels.map(({ kernel, integer }) => `${kernel} ${integer}`),
        ['QLinearConv true', 'QLinearConv true', 'QLinearConv true', 'QGemm true'],
      )
      const caps = tuned.model.graph.nodes.filter((node) => isOp(node, 'Min')).length
      assert.equal(caps > 0, bits === 4)
    }
  })

  it('stores weights of 4 bits as int4 when asked: the same function, a smaller file, float kernels', async () => {
    const [bytes, nibbles] = [await trainableOf(4, 8), await trainableOf(4, 8, { storage: 'int4' })]
    const [a, b] = [bytes.exported(bytes.initial), nibbles.exported(nibbles.initial)]
    const { inputs } = await dataset.sample(0)
    const outputs = await Promise.all(
      [a, b].map(async (model) =>
        withSession(await testRuntime(), model, { optimization: 'disabled' }, (session) => session.run(inputs)),
      ),
    )
    assert.deepEqual(outputs[0], outputs[1])
    assert.ok(writeModel(b).byteLength < writeModel(a).byteLength)
    const kernels = lintFusion(b, await optimizedGraph(await testRuntime(), b), targets[0])
    assert.ok(kernels.some(({ integer }) => !integer))
  })

  it('trains integer layers that --exclude left as float ones', async () => {
    const trainable = await trainableOf(8, 8, { quantize: { exclude: ['Gemm'] } })
    assert.ok(trainable.graph.parameters.some(({ name }) => name.includes('weight') && !name.startsWith('train/')))
    assert.equal(
      trainable.graph.parameters.some(({ name }) => name.startsWith('train/weight_scale/Gemm')),
      false,
    )
  })
})

describe('the guard of a training', () => {
  it('hands back the quantised model before training when the trained one is further from the teacher', async () => {
    const trainable = await trainableOf(8, 8)
    const half = { dataset, indices: indices.slice(16) }
    const options = { epochs: 1, batch: 8, seed: 0, teacher: net() }
    const data = { dataset, indices: indices.slice(0, 16), guard: half }
    const spoiled = await finetune(await testRuntime(), trainable, data, { ...options, rate: 1 })
    assert.equal(spoiled.kept, false)
    assert.deepEqual(writeModel(spoiled.model), writeModel(trainable.exported(trainable.initial)))
    const left = await finetune(await testRuntime(), trainable, data, { ...options, rate: 1e-12 })
    assert.equal(left.kept, false, 'what moved nothing is no better than by chance')
  })

  it('keeps what is closer to the teacher by more than chance', async () => {
    const trainable = await trainableOf(2, 8, { loss: [outputSquares()], teacher: net() })
    const silent = { ...dataset, hasLabels: false }
    const half = { dataset: silent, indices: indices.slice(16) }
    const data = { dataset: silent, indices: indices.slice(0, 16), guard: half }
    const settings = { epochs: 60, batch: 8, seed: 0, rate: 0.01, teacher: net() }
    const { kept, judged } = await finetune(await testRuntime(), trainable, data, settings)
    assert.ok(judged, 'the guard has judged')
    assert.equal(kept, judged.after.db >= judged.before.db + chanceDb(16))
    assert.equal(kept, true, `${judged.before.db} dB before, ${judged.after.db} dB after`)
  })
})

describe('grids of a quantised training', () => {
  const heads = () =>
    tinyModel(
      'x[N,3,8,8] -> GlobalAveragePool -> Flatten -> a -> Gemm 3->8 -> Relu -> h -> Gemm 8->3 -> y; h -> Gemm 8->6 -> Relu -> Gemm 6->2 -> z',
    )
  const optionsOf = (loss: LossTerm[]): QuantTrainableOptions => ({
    train: 'all',
    batch: 8,
    loss,
    weightBits: 8,
    activationBits: 8,
    calibration: () => ({ batches: batches(readSamples(dataset, indices), 8), total: size }),
  })
  const started = async (loss: LossTerm[], teacher?: Model) =>
    quantTrainableModel(await testRuntime(), heads(), (await dataset.sample(0)).inputs, { ...optionsOf(loss), teacher })

  it('stay as calibrated where no loss reaches them, and that is said', async () => {
    const trainable = await started([crossEntropy()])
    const before = writeModel(trainable.exported(trainable.initial))
    const data = { dataset, indices }
    const { model, result } = await finetune(await testRuntime(), trainable, data, {
      epochs: 1,
      batch: 8,
      rate: 0.01,
      seed: 0,
    })
    assert.equal(result.steps, 4)
    assert.notDeepEqual(writeModel(model), before)
    assert.match(
      trainable.notes.join('; '),
      /the loss does not depend on Gemm_v\d, Gemm_z: they stay as they are; \d grids that the loss does not reach stay as calibrated/,
    )
    const float = (each: Model, name: string) => each.graph.initializers.get(name)?.bytes
    const old = trainable.exported(trainable.initial)
    for (const name of old.graph.initializers.keys())
      if (name.startsWith('z')) assert.deepEqual(float(model, name), float(old, name))
  })

  it('all learn where all outputs are compared with the teacher', async () => {
    const trainable = await started([outputSquares()], heads())
    assert.deepEqual(trainable.graph.untrained, [])
    assert.deepEqual(trainable.notes, [])
  })

  it('leave room for biases in int32 whatever the steps', async () => {
    const model = net()
    const weight = [...model.graph.initializers.keys()].find((name) => name.endsWith('_weight')) ?? ''
    const bias = weight.replace('_weight', '_bias')
    const tensor = model.graph.initializers.get(weight)
    assert.ok(tensor)
    model.graph.initializers.set(
      weight,
      Tensor.from(
        'float32',
        tensor.shape,
        tensor.floats().map((x) => x * 1e-7),
      ),
    )
    model.graph.initializers.set(bias, Tensor.from('float32', [8], new Float32Array(8).fill(3)))
    const trainable = await quantTrainableModel(
      await testRuntime(),
      model,
      (await dataset.sample(0)).inputs,
      optionsOf([crossEntropy()]),
    )
    const values = new Map([...trainable.initial].map(([name, array]) => [name, array.slice()]))
    // A step that makes every scale a fifth smaller.
    for (const [name, array] of values)
      if (name.startsWith('train/'))
        values.set(
          name,
          array.map((x) => x * 0.8),
        )
    trainable.afterStep?.(values)
    const { initializers } = trainable.exported(values).graph
    const codes = [...initializers].flatMap(([name, each]) => (name.endsWith('/bias/q') ? each.numbers() : []))
    const scales = [...initializers].find(([name, each]) => name.endsWith('/bias/scale') && each.size === 8)
    assert.ok(codes.some((code) => Math.abs(code) > 2 ** 30))
    assert.ok(codes.every((code) => Math.abs(code) < 2 ** 31 - 2 ** 23))
    assert.ok(scales)
  })
})

describe('isAsNear', () => {
  it('goes by divergence where it says something, else by SQNR, and never loses 3 dB without labels', () => {
    assert.equal(isAsNear({ kl: 0.1, db: 20 }, { kl: 0.2, db: 21 }, false), true)
    assert.equal(isAsNear({ kl: 0.1, db: 17 }, { kl: 0.2, db: 21 }, false), false)
    assert.equal(isAsNear({ kl: 0.1, db: 17 }, { kl: 0.2, db: 21 }, true), true)
    assert.equal(isAsNear({ kl: 1e-200, db: 5 }, { kl: 2e-200, db: 60 }, true), false)
    assert.equal(isAsNear({ db: 30 }, { db: 29 }, false), true)
    assert.equal(isAsNear({ db: Number.NaN }, { db: 29 }, false), false)
  })
})
