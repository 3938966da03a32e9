import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertNear, assertNearShare } from '../../test/support/assert-near.ts'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import type { Moments } from '../calibrate/index.ts'
import { plainProducts, randomStream } from '../math/index.ts'
import { GraphEditor, layersOf, type Model, Tensor } from '../onnx/index.ts'
import { observeShapes, type Values } from '../runtime/index.ts'
import { type ErrorCurves, errorCurves, itemOf, type LayerChoice, STRONG, splitsFor } from './candidates.ts'
import { macs, maxRank, wholeShape } from './cost.ts'
import { splitPlainly } from './fit-split.ts'
import { enoughPerSample, inputMoments, positionsFor } from './gather.ts'
import { kernelsOf } from './kernel.ts'
import { biasOf, type CompressibleLayer, surveyLayers } from './layers.ts'
import { refitModel } from './refit.ts'
import { lowestSqnrDb } from './sqnr.ts'
import { ownTarget, plainTarget, squaredError } from './target.ts'

/** Batches of two smooth pictures: neighbours resemble each other, as in a photograph. */
function pictures(batches: number, dims: readonly number[]): Values[] {
  const random = randomStream(4, 'pictures')
  const [channels = 1, height = 1, width = 1] = dims
  return Array.from({ length: batches }, () => {
    const data = new Float32Array(2 * channels * height * width)
    for (let map = 0; map < 2 * channels; map++) {
      const [a, b, phase] = [random.normal(), random.normal(), random.uniform(0, 6)]
      for (let i = 0; i < height * width; i++)
        data[map * height * width + i] = a * Math.sin(phase + Math.floor(i / width) / 3) + b * Math.cos((i % width) / 3)
    }
    return { x: { dtype: 'float32' as const, dims: [2, ...dims], data } }
  })
}

async function surveyed(model: Model, batches: readonly Values[]) {
  const shapes = await observeShapes(await testRuntime(), model, batches[0] ?? {})
  return { shapes, ...surveyLayers(model, shapes) }
}

const chain =
  'x[N,3,8,8] -> Conv 3x3 3->8 pads=1,1,1,1 -> Relu -> Conv 3x3 8->8 pads=1,1,1,1 -> Relu -> Conv 1x1 8->4 -> y'
const batches = pictures(8, [3, 8, 8])
const all = { seed: 1, perSample: 1000, products: plainProducts }

describe('the moments that a selection starts from', () => {
  it('are those of every patch, of each group apart', async () => {
    const model = tinyModel('x[N,4,5,5] -> Conv 3x3 4->2 group=2 pads=1,1,1,1 -> y')
    const own = pictures(3, [4, 5, 5])
    const { shapes, layers } = await surveyed(model, own)
    const seen: (readonly Moments[] | undefined)[] = []
    await inputMoments(await testRuntime(), model, { ...all, shapes, layers, batches: own }, async (_, moments) => {
      seen.push(moments)
    })
    const [moments] = seen
    assert.equal(moments?.length, 2)
    assert.equal(moments?.[1]?.count, 3 * 2 * 25)
    // Mean of channel 3 below the middle of the kernel: the second channel of the second group.
    let sum = 0
    for (const { x } of own)
      for (const sample of [0, 1]) for (let i = 0; i < 25; i++) sum += Number(x?.data[(sample * 4 + 3) * 25 + i])
    assertNear([moments?.[1]?.meanX[9 + 4] ?? 0], [sum / 150], 1e-6)
    // Above the upper border there are zeros: the mean of the corner of the kernel leaves the last row and column out.
    sum = 0
    for (const { x } of own)
      for (const sample of [0, 1])
        for (let r = 0; r < 4; r++) for (let c = 0; c < 4; c++) sum += Number(x?.data[sample * 100 + r * 5 + c])
    assertNear([moments?.[0]?.meanX[0] ?? 0], [sum / 150], 1e-6)
  })

  it('are not taken of patches that are too long, which are handed on all the same', async () => {
    const model = tinyModel('x[N,257,3,3] -> Conv 3x3 257->1 nobias -> y')
    const own = pictures(1, [257, 3, 3])
    const { shapes, layers } = await surveyed(model, own)
    const seen: unknown[] = []
    await inputMoments(await testRuntime(), model, { ...all, shapes, layers, batches: own }, async (layer, moments) => {
      seen.push(layer.name, moments)
    })
    assert.deepEqual(seen, ['Conv_y', undefined])
  })

  it('come from the same positions for everybody who asks with the same seed, and from others in another batch', async () => {
    const { layers } = await surveyed(tinyModel(chain), batches)
    const ask = (seed: number, batch: number) => [
      ...positionsFor(layers[0]!, [2, 8, 8, 8], batch, { shapes: new Map(), seed, perSample: 5 }).at,
    ]
    assert.deepEqual(ask(1, 0), ask(1, 0))
    assert.notDeepEqual(ask(1, 0), ask(1, 1))
    assert.notDeepEqual(ask(1, 0), ask(2, 0))
  })

  it('take as many positions of a sample as the unknowns need, within bounds', async () => {
    const [layer] = (await surveyed(tinyModel(chain), batches)).layers
    // 27 unknowns times 16 rows are 432.
    const of = (samples: number) => enoughPerSample(layer!, samples, { rows: 16, least: 8, most: 64 })
    assert.deepEqual([of(1), of(16), of(20), of(1000), of(0)], [64, 27, 22, 8, 64])
  })

  it('stop when they are told to', async () => {
    const model = tinyModel(chain)
    const { shapes, layers } = await surveyed(model, batches)
    const options = { ...all, shapes, layers, batches, signal: AbortSignal.abort() }
    await assert.rejects(
      inputMoments(await testRuntime(), model, options, async () => {}),
      { name: 'CancelledError' },
    )
  })
})

describe('candidates of a layer', () => {
  async function curvesOf(drawing: string, dims: readonly number[]): Promise<[CompressibleLayer, ErrorCurves]> {
    const model = tinyModel(drawing)
    const [layer] = (await surveyed(model, pictures(1, dims))).layers
    assert.ok(layer)
    const targets = kernelsOf(layer).map(plainTarget)
    return [
      layer,
      await errorCurves(plainProducts, layer, targets, { family: 'auto', limit: (s) => maxRank(s, layer.geometry) }),
    ]
  }

  it('have errors that fall with the rank from at most all to none, for every split that the layer allows', async () => {
    const [layer, { name, curves }] = await curvesOf('x[N,4,6,6] -> Conv 3x3 4->6 group=2 -> y', [4, 6, 6])
    assert.equal(name, layer.name)
    assert.deepEqual(
      curves.map(({ split }) => split),
      splitsFor('auto', layer).map((split) => split.name),
    )
    for (const { errors } of curves) {
      assert.ok(errors.every((error, i) => error >= 0 && error <= (errors[i - 1] ?? 1) + 1e-12))
      assertNear([errors.at(-1) ?? 1], [0], 1e-9)
    }
  })

  it('are the splits of the family asked for', async () => {
    const [layer] = await curvesOf('x[N,4,6,6] -> Conv 3x3 4->6 -> y', [4, 6, 6])
    const names = (family: Parameters<typeof splitsFor>[0]) => splitsFor(family, layer).map((split) => split.name)
    assert.deepEqual(names('spatial-svd'), ['vertical-horizontal', 'horizontal-vertical'])
    assert.deepEqual(names('weight-svd'), ['input-side', 'output-side'])
  })

  it('cost less than the layer, have the error of their rank, and weight splits only where they are strong', async () => {
    const [layer, curves] = await curvesOf('x[N,16,6,6] -> Conv 3x3 16->16 pads=1,1,1,1 -> y', [16, 6, 6])
    const { unchanged, candidates } = itemOf(layer, curves, macs, 2)
    const whole = macs.cost(wholeShape(layer))
    assert.deepEqual(unchanged, { cost: whole, loss: 0 })
    assert.ok(candidates.length > 4)
    for (const { cost, loss, choice } of candidates) {
      assert.ok(choice && choice.rank % 2 === 0 && cost < whole)
      assert.equal(loss, curves.curves.find(({ split }) => split === choice.split)?.errors[choice.rank - 1])
      assert.ok(choice.split.endsWith('al') || cost <= STRONG * whole, `${choice.split} ${cost / whole}`)
    }
    assert.ok(candidates.some(({ choice }) => choice?.split.endsWith('side')))
    // Where no spatial split is offered, weight splits may be of any strength.
    const weights = { ...curves, curves: curves.curves.filter(({ split }) => split.endsWith('side')) }
    assert.ok(itemOf(layer, weights, macs, 2).candidates.some(({ cost }) => cost > STRONG * whole))
  })
})

describe('the refit', () => {
  const choice: LayerChoice = { split: 'vertical-horizontal', rank: 4 }
  const plan = new Map([['Conv_v3', choice]])
  const options = { ...all, plan, batches }

  it('comes closer than the split of the weights alone, on samples that it has not seen as well', async () => {
    const [runtime, model] = [await testRuntime(), tinyModel(chain)]
    const { shapes, layers } = await surveyed(model, batches)
    const layer = layers[1]!
    assert.equal(layer.name, 'Conv_v3')
    const editor = new GraphEditor(model)
    const plain = await splitPlainly(plainProducts, editor, layer, choice)
    const fitted = await refitModel(runtime, model, { ...options, shapes, layers })
    const unseen = pictures(12, [3, 8, 8]).slice(8)
    const [before = 0, after = 0] = [
      await lowestSqnrDb(runtime, model, editor.finish(), unseen),
      await lowestSqnrDb(runtime, model, fitted.model, unseen),
    ].map((db) => db ?? Number.POSITIVE_INFINITY)
    assert.ok(after > before + 1, `${before} → ${after} dB`)
    assert.ok(plain.error > 0 && plain.error < 1, `${plain.error}`)
    assert.deepEqual(
      fitted.layers.map(({ name, choice: made }) => [name, made]),
      layers.map(({ name }) => [name, plan.get(name)]),
    )
    const errors = fitted.layers.map(({ error }) => error)
    assert.ok(
      errors.every((error) => error >= 0 && error < 0.5),
      `${errors}`,
    )
    assert.equal(layersOf(fitted.model).length, layers.length + 1)
  })

  it('leaves a network that lost nothing as it is', async () => {
    const [runtime, model] = [await testRuntime(), tinyModel(chain)]
    const { shapes, layers } = await surveyed(model, batches)
    const { model: same } = await refitModel(runtime, model, { ...options, shapes, layers, plan: new Map() })
    const found = layersOf(same)
    for (const [index, layer] of layers.entries()) {
      assertNearShare(found[index]?.weight.floats(), layer.weight.floats(), 1e-3, layer.name)
      assertNearShare(found[index]?.bias?.floats(), biasOf(layer), 1e-3, `bias of ${layer.name}`)
    }
  })

  it('gives the same weights again', async () => {
    const [runtime, model] = [await testRuntime(), tinyModel(chain)]
    const { shapes, layers } = await surveyed(model, batches)
    const once = await refitModel(runtime, model, { ...options, shapes, layers, perSample: 8 })
    const again = await refitModel(runtime, model, { ...options, shapes, layers, perSample: 8 })
    for (const [name, tensor] of once.model.graph.initializers)
      assert.deepEqual(again.model.graph.initializers.get(name)?.floats(), tensor.floats(), name)
  })

  it('splits a layer of patches that are too long by its weights, and says why', async () => {
    const model = tinyModel('x[N,257,3,3] -> Conv 3x3 257->2 -> y')
    const own = pictures(4, [257, 3, 3])
    const { shapes, layers } = await surveyed(model, own)
    const long = new Map([['Conv_y', { split: 'output-side', rank: 2 } as const]])
    const result = await refitModel(await testRuntime(), model, {
      ...options,
      shapes,
      layers,
      batches: own,
      plan: long,
    })
    assert.match(result.layers[0]?.plain ?? '', /patches of 2313 numbers are too long/)
    const db = await lowestSqnrDb(await testRuntime(), model, result.model, own)
    assert.ok(db === null || db > 90, `${db} dB at full rank`)
  })
})

describe('the lowest SQNR of the outputs', () => {
  it('is that of the worst of them: half a signal is 6 dB away', async () => {
    const model = tinyModel('x[N,3,8,8] -> Conv 1x1 3->2 nobias -> a; x -> Conv 1x1 3->2 nobias -> b')
    const changed = structuredClone(model)
    const scaled = (name: string, by: number) => {
      const weight = model.graph.initializers.get(name)!
      const values = weight.floats().map((value) => value * by)
      changed.graph.initializers.set(name, Tensor.from('float32', weight.shape, values))
    }
    for (const name of model.graph.initializers.keys()) scaled(name, 1)
    scaled('a_weight', 0.5)
    scaled('b_weight', 0.9)
    const db = await lowestSqnrDb(await testRuntime(), model, changed, batches)
    assertNear([db ?? 0], [20 * Math.log10(2)], 1e-3)
  })

  it('is null where nothing differs', async () => {
    const model = tinyModel(chain)
    assert.equal(await lowestSqnrDb(await testRuntime(), model, model, batches), null)
  })
})

describe('what a layer must be to be compressed', () => {
  const reasonOf = async (drawing: string, dims: readonly number[], more: (model: Model) => void = () => {}) => {
    const model = tinyModel(drawing)
    more(model)
    return (await surveyed(model, pictures(1, dims))).left[0]?.reason
  }

  it('is said of each that it is not', async () => {
    assert.match((await reasonOf('x[N,6] -> Gemm 6->4 alpha=0.5 -> y', [6])) ?? '', /scales its factors/)
    assert.match((await reasonOf('x[N,6] -> Gemm 6->4 beta=0.5 -> y', [6])) ?? '', /scales its factors/)
    assert.equal(await reasonOf('x[N,6] -> Gemm 6->4 beta=0.5 nobias -> y', [6]), undefined)
    const tied = (model: Model) => {
      for (const node of model.graph.nodes) node.inputs[1] = 'v1_weight'
    }
    // Smaller weights may be stored twice.
    const twice = 'x[N,4,16] -> MatMul 16->16 -> MatMul 16->16 -> y'
    assert.match((await reasonOf(twice, [4, 16], tied)) ?? '', /read elsewhere too/)
  })

  it('but its bias may be one number for all outputs', async () => {
    const model = tinyModel('x[N,6] -> Gemm 6->4 -> y')
    model.graph.initializers.set('y_bias', Tensor.from('float32', [1], [3]))
    const [layer] = (await surveyed(model, pictures(1, [6]))).layers
    assert.deepEqual([...biasOf(layer!)], [3, 3, 3, 3])
  })
})

describe('the error against a layer’s own outputs', () => {
  it('from moments is what running the changed layer gives', async () => {
    const [runtime, model] = [await testRuntime(), tinyModel('x[N,3,8,8] -> Conv 3x3 3->4 -> y')]
    const { shapes, layers } = await surveyed(model, batches)
    const layer = layers[0]!
    const editor = new GraphEditor(model)
    await splitPlainly(plainProducts, editor, layer, { split: 'input-side', rank: 2 })
    let error = 0
    await inputMoments(runtime, model, { ...all, shapes, layers, batches }, async (_, moments) => {
      const [weight] = kernelsOf(layer)
      const target = await ownTarget(plainProducts, weight!, moments![0]!, 1e-3)
      const half = { ...weight!, data: weight!.data.map((value) => value / 2) }
      error = (await squaredError(plainProducts, target, half)) / target.energy
    })
    // Half of every output is missing: a quarter of its variance.
    assertNear([error], [0.25], 1e-6)
  })
})
