import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { randomStream, sqnrDb } from '../../math/index.ts'
import { layersOf, type Model, Tensor, writeModel } from '../../onnx/index.ts'
import { type Values, withSession } from '../../runtime/index.ts'
import { removeDeadChannels } from './dead-channels.ts'
import { pruningOrders } from './order.ts'
import { pruneChannels } from './prune-channels.ts'

const runtime = await testRuntime()

function batch(dims: readonly number[], seed: number): Values {
  const random = randomStream(seed, 'samples')
  const size = dims.reduce((a, b) => a * b, 1)
  return { x: { dtype: 'float32', dims, data: Float32Array.from({ length: size }, () => random.normal()) } }
}
const samples = [1, 2, 3, 4].map((seed) => batch([16, 3, 8, 8], seed))
const sample = batch([1, 3, 8, 8], 9)
const unseen = batch([16, 3, 8, 8], 10)

async function run(model: Model, feeds: Values): Promise<Float32Array> {
  const { y } = await withSession(runtime, model, {}, (session) => session.run(feeds))
  assert.ok(y?.data instanceof Float32Array, 'y is float32')
  return y.data
}

const parameters = (model: Model) => layersOf(model).reduce((sum, { weight }) => sum + weight.size, 0)

/** Makes outputs of a layer copies of its first one, or sets them to a bias alone. */
function change(model: Model, name: string, outputs: readonly number[], to: 'copy' | number): void {
  const layer = layersOf(model).find((known) => known.name === name)
  const { view, weight, bias, node } = layer ?? {}
  assert.ok(view && weight && bias && node, `${name} is a layer with a bias`)
  const [values, shifts] = [weight.floats().slice(), bias.floats().slice()]
  for (const o of outputs) {
    for (let i = 0; i < view.inputsPerGroup; i++)
      for (let u = 0; u < view.positions; u++) {
        const at = i * view.inputStride + u * view.positionStride
        values[view.offset(o) + at] = to === 'copy' ? values[view.offset(0) + at]! : 0
      }
    shifts[o] = to === 'copy' ? shifts[0]! : to
  }
  model.graph.initializers.set(node.inputs[1] ?? '', Tensor.from('float32', weight.shape, values))
  model.graph.initializers.set(node.inputs[2] ?? '', Tensor.from('float32', bias.shape, shifts))
}

const chain = 'x[N,3,8,8] -> Conv 3x3 3->6 pads=1,1,1,1 -> Relu -> Conv 3x3 6->5 -> Relu -> Conv 1x1 5->4 -> y'

describe('pruneChannels', () => {
  it('takes channels where the outputs miss them least, whatever share of its own readers that is', async () => {
    // Two branches that are alike, but one is hardly heard.
    const branch = (name: string, gain: number) =>
      `x -> Conv 1x1 3->12 -> Relu -> Conv 1x1 12->5 -> Mul number(${gain}) -> ${name}`
    const model = tinyModel(`x[N,3,8,8]; ${branch('loud', 1)}; ${branch('quiet', 0.05)}; loud,quiet -> Add -> y`)
    const left = async (order: 'backward' | 'magnitude') => {
      const { layers } = await pruneChannels(runtime, model, { samples, sample, ratio: 0.75, order })
      const channels = layers.map((layer) => layer.channels?.after ?? 12)
      return { loud: channels[0] ?? 0, quiet: channels[2] ?? 0 }
    }
    const seen = await left('backward')
    assert.ok(seen.loud - seen.quiet >= 4, `with data: ${JSON.stringify(seen)}`)
    const blind = await left('magnitude')
    assert.ok(Math.abs(blind.loud - blind.quiet) <= 2, `by the weights alone both are alike: ${JSON.stringify(blind)}`)
  })

  for (const order of pruningOrders)
    it(`delivers at most the asked share in the order ${order}, and the same twice`, async () => {
      const model = tinyModel(chain)
      const before = writeModel(model)
      const options = { samples, sample, ratio: 0.6, order }
      const [a, b] = [await pruneChannels(runtime, model, options), await pruneChannels(runtime, model, options)]
      assert.ok(a.ratio <= 0.6 && a.ratio > 0.4, `${a.ratio}`)
      assert.deepEqual(writeModel(a.model), writeModel(b.model))
      assert.deepEqual(writeModel(model), before, 'the model given is not changed')
      assert.ok(parameters(a.model) < parameters(model), 'weights are fewer')
      const expected = await run(model, unseen)
      assert.equal((await run(a.model, unseen)).length, expected.length)
    })

  it('takes the copies first, and the refit makes up for them: the function stays', async () => {
    const model = tinyModel(chain)
    change(model, 'Conv_v1', [2, 4, 5], 'copy')
    const { model: pruned, layers } = await pruneChannels(runtime, model, { samples, sample, keep: { Conv_v1: 3 } })
    assert.deepEqual(layers[0]?.channels, { before: 6, after: 3 })
    assert.deepEqual(layers[1]?.inputs, { before: 6, after: 3 })
    const db = sqnrDb(await run(model, unseen), await run(pruned, unseen))
    assert.ok(db === null || db > 40, `${db} dB`)
  })

  it('is better with a refit than without, in every kind of graph', async () => {
    for (const drawing of [
      chain,
      'x[N,3,8,8] -> Conv 1x1 3->8 -> a; x -> Conv 3x3 3->8 pads=1,1,1,1 -> b; a,b -> Add -> Relu -> Conv 3x3 8->6 -> y',
      'x[N,3,8,8] -> Conv 3x3 3->8 -> Relu -> Conv 3x3 8->8 group=8 -> Relu -> Conv 1x1 8->4 -> y',
      'x[N,3,8,8] -> Conv 3x3 3->8 -> Relu -> Conv 3x3 8->8 group=2 -> Relu -> Conv 1x1 8->4 -> y',
      'x[N,3,8,8] -> Conv 3x3 3->8 strides=2,2 -> Relu -> Reshape ints(0,8,9) -> Transpose perm=0,2,1 -> MatMul 8->6 -> y',
    ]) {
      const model = tinyModel(drawing)
      const fitted = await pruneChannels(runtime, model, { samples, sample, ratio: 0.7 })
      const cut = await pruneChannels(runtime, model, { sample, ratio: 0.7 })
      const expected = await run(model, unseen)
      const [a, b] = [await run(fitted.model, unseen), await run(cut.model, unseen)].map((y) => sqnrDb(expected, y))
      assert.ok((a ?? 100) > (b ?? 100) + 1, `${drawing}: ${a} dB with, ${b} dB without`)
    }
  })

  it('keeps a number, a share or a list of a layer, and multiples', async () => {
    const model = tinyModel(chain)
    const channels = async (keep: Record<string, number | readonly number[]>, multiple = 1) => {
      const { layers } = await pruneChannels(runtime, model, { sample, keep, multiple })
      return layers.map((layer) => layer.channels?.after)
    }
    assert.deepEqual(await channels({ Conv_v1: 4 }), [4, undefined, undefined])
    assert.deepEqual(await channels({ Conv_v1: 0.5, Conv_v3: [0, 4] }), [3, 2, undefined])
    assert.deepEqual(await channels({ Conv_v1: 0.5 }, 2), [4, undefined, undefined])
    const { layers } = await pruneChannels(runtime, model, { sample, ratio: 0.5, multiple: 2 })
    for (const { channels: one } of layers) assert.ok(!one || one.after % 2 === 0, JSON.stringify(one))
  })

  it('refuses what cannot be, and says why', async () => {
    const model = tinyModel(chain)
    const attempt = (options: Partial<Parameters<typeof pruneChannels>[2]>) =>
      pruneChannels(runtime, model, { sample, ...options })
    await assert.rejects(
      attempt({ ratio: 0.001 }),
      /the nearest is 0\.\d+; channels that must stay: Conv_y: "y" is a graph/,
    )
    await assert.rejects(attempt({ keep: { Conv_y: 2 } }), /no fewer than 4 can stay: "y" is a graph output/)
    await assert.rejects(attempt({ keep: { Conv_y: [0] } }), /not all of the others can go/)
    await assert.rejects(attempt({ keep: { Conv_v1: 7 } }), /can keep 1 to 6 of them/)
    await assert.rejects(attempt({ keep: { Conv_v1: [6] } }), /has channels 0 to 5, got 6/)
    await assert.rejects(attempt({ keep: { nobody: 1 } }), /no such layer; the layers are Conv_v1/)
    await assert.rejects(attempt({}), /either ratio or keep/)
    await assert.rejects(pruneChannels(runtime, model, { ratio: 0.5 }), /needs a sample/)
  })
})

describe('dead channels', () => {
  const drawing =
    'x[N,3,8,8] -> Clip number(-1) number(1) -> Conv 3x3 3->6 -> a -> Relu -> Conv 3x3 6->5 -> b -> Relu -> Conv 1x1 5->4 -> y'

  it('go for free, with what only they read; constants go into the biases', async () => {
    const model = tinyModel(drawing)
    // Always 0 behind the Relu, always 0.7, and one that nobody reads.
    change(model, 'Conv_a', [1], -100)
    change(model, 'Conv_a', [3], 0.7)
    const dead = await removeDeadChannels(runtime, { model, feeds: sample }, samples)
    assert.equal(dead?.channels, 2)
    assert.equal(dead.certainty, 'proved')
    assert.ok(parameters(dead.model) < parameters(model), 'weights are fewer')
    const db = sqnrDb(await run(model, unseen), await run(dead.model, unseen))
    assert.ok(db === null || db > 100, `${db} dB`)
  })

  it('go in whole steps, so that what stays is a multiple', async () => {
    const model = tinyModel(drawing)
    change(model, 'Conv_a', [1], -100)
    change(model, 'Conv_a', [3], 0.7)
    change(model, 'Conv_b', [2], -100)
    const widths = async (multiple: number) => {
      const dead = await removeDeadChannels(runtime, { model, feeds: sample }, samples, { multiple })
      return ['Conv_a', 'Conv_b'].map(
        (name) => layersOf(dead?.model ?? model).find((each) => each.name === name)?.weight.shape[0],
      )
    }
    assert.deepEqual(await widths(1), [4, 4])
    assert.deepEqual(await widths(4), [4, 4])
    assert.deepEqual(await widths(3), [6, 5])
    assert.deepEqual(await widths(16), [6, 5])
  })

  it('stay where a layer is kept as it is, and where there are none nothing is done', async () => {
    const model = tinyModel(drawing)
    assert.equal(await removeDeadChannels(runtime, { model, feeds: sample }, samples), undefined)
    change(model, 'Conv_a', [1], -100)
    const kept = { keepLayers: new Set(['Conv_b']) }
    assert.equal(await removeDeadChannels(runtime, { model, feeds: sample }, samples, kept), undefined)
  })
})
