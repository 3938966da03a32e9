import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertClose, contextOf, randomFeeds, run, testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { channelStatistics } from '../../calibrate/index.ts'
import { channelGraph, GraphEditor, type Model, Tensor } from '../../onnx/index.ts'
import type { Values } from '../../runtime/index.ts'
import { equalizeRequests } from '../channel-requests.ts'
import { type Equalized, equalize } from '../equalize.ts'
import { insertGains, removeGains } from './free-inputs.ts'

/** Behind Erf and a product with itself nothing can be scaled; a residual reads what the first layer reads. */
const BEHIND_ERF =
  'x[N,6,64] -> MatMul 64->64 -> h; h -> Erf -> e; h,e -> Mul -> g; g -> MatMul 64->64 -> m; m,g -> Add -> y'

function uneven(times: number): Model {
  const model = tinyModel(BEHIND_ERF)
  const [name, weight] = [...model.graph.initializers].find(([key]) => key.startsWith('h'))!
  // Outputs 0 to 7 of the first layer are larger.
  const values = weight.floats().map((value, i) => (i % 64 < 8 ? times * value : value))
  model.graph.initializers.set(name, Tensor.from('float32', weight.shape, values))
  return model
}

async function equalized(model: Model, feeds: Values, gains: boolean): Promise<Equalized> {
  const { shapes } = await contextOf(model, feeds)
  async function* batches() {
    yield { ids: ['a', 'b'], size: 2, inputs: feeds }
  }
  const requests = equalizeRequests(model, shapes)
  const seen = await channelStatistics(await testRuntime(), model, batches(), { requests, shapes, total: 2 })
  return equalize(model, shapes, seen, { weights: 'per-channel', gains })
}

/** Every channel reaches from −1 to 1 and has the same variance. */
function even(model: Model): Values {
  const feeds = randomFeeds(model)
  const data = feeds['x']?.data as Float32Array
  for (const i of data.keys()) data[i] = (Math.floor(i / 64) * 5 + i * (1 + (i % 64))) % 4 < 2 ? -1 : 1
  return feeds
}

const muls = (model: Model) => model.graph.nodes.filter(({ opType }) => opType === 'Mul').length

describe('gains in front of layers', () => {
  it('stand where what a layer reads cannot be scaled, and can be taken out again', async () => {
    const model = uneven(1)
    const { shapes } = await contextOf(model)
    const placed = insertGains(model, shapes, channelGraph(model, shapes, 'scale'))
    assert.deepEqual(
      placed.freed.map(({ value }) => value),
      ['x', 'g'],
    )
    const feeds = randomFeeds(model)
    assertClose(await run(model, feeds), await run(placed.model, feeds), 120, 1e-6)
    const back = removeGains(placed.model, placed.freed)
    assert.deepEqual(
      back.graph.nodes.map(({ opType, inputs }) => [opType, ...inputs]),
      model.graph.nodes.map(({ opType, inputs }) => [opType, ...inputs]),
    )
  })

  it('even out channels, keep the function, and leave less noise', async () => {
    const model = uneven(20)
    const feeds = even(model)
    const result = await equalized(model, feeds, true)
    assertClose(await run(model, feeds), await run(result.model, feeds), 100, 1e-5)
    assert.equal(muls(result.model), muls(model) + 1, 'one gain, behind Erf')
    assert.ok(result.predicted < 0.7, `${result.predicted} of the noise is left`)
    assert.equal((await equalized(model, feeds, false)).changes.length, 0)
  })

  it('stand in front of convolutions too, one for each map, where the convolution is large enough', async () => {
    const swish = (kernel: number) =>
      `x[N,6,8,8] -> Conv 3x3 6->32 -> h; h -> Sigmoid -> s; h,s -> Mul -> g; g -> Conv ${kernel}x${kernel} 32->32 -> y`
    const model = tinyModel(swish(3))
    const { shapes } = await contextOf(model)
    const placed = insertGains(model, shapes, channelGraph(model, shapes, 'scale'))
    assert.deepEqual(
      placed.freed.map(({ value }) => value),
      ['x', 'g'],
    )
    const gain = placed.model.graph.nodes.find(({ outputs }) => outputs[0] === placed.freed[1]?.scaled)?.inputs[1] ?? ''
    assert.deepEqual(new GraphEditor(placed.model).constant(gain)?.shape, [32, 1, 1])
    const again = insertGains(placed.model, placed.shapes, channelGraph(placed.model, placed.shapes, 'scale'))
    assert.equal(muls(again.model), muls(placed.model), 'channels that begin at a gain have one')
    const small = tinyModel(swish(1))
    const known = (await contextOf(small)).shapes
    const few = insertGains(small, known, channelGraph(small, known, 'scale'))
    assert.ok(!few.freed.some(({ value }) => value === 'g'), 'one product for 32 is too much')
  })

  it('even out the maps that a convolution reads, and keep the function', async () => {
    const model = tinyModel('x[N,16,6,6] -> Tanh -> t; x,t -> Mul -> g; g -> Conv 3x3 16->32 -> y')
    const feeds = randomFeeds(model)
    const data = feeds['x']?.data as Float32Array
    for (const i of data.keys())
      data[i] = (Math.floor(i / 36) % 16 === 3 ? 30 : 1) * (i % 2 === 0 ? 1 : -1) * (1 + (i % 7) / 7)
    const result = await equalized(model, feeds, true)
    assertClose(await run(model, feeds), await run(result.model, feeds), 100, 1e-5)
    assert.equal(muls(result.model), muls(model) + 1)
    assert.ok(result.predicted < 0.5, `${result.predicted} of the noise is left`)
  })

  it('are not kept where they bring nothing', async () => {
    const model = tinyModel('x[N,6,64] -> MatMul 64->64 -> y')
    assert.equal(muls((await equalized(model, even(model), true)).model), 0)
  })
})

describe('the product of attention', () => {
  it('hands the channels of its values on', async () => {
    const heads = 'Reshape ints(0,6,4,4) -> Transpose perm=0,2,1,3'
    const model = tinyModel(
      `x[2,6,16] -> MatMul 16->16 -> v -> ${heads} -> u; s[2,4,6,6] -> Softmax axis=-1 -> p; p,u -> MatMul -> o; o -> Transpose perm=0,2,1,3 -> Reshape ints(0,6,16) -> MatMul 16->8 -> y`,
    )
    const { shapes } = await contextOf(model)
    const graph = channelGraph(model, shapes, 'scale')
    const [first, last] = [graph.layers[0], graph.layers.at(-1)]
    assert.deepEqual([...(first?.output ?? [])], [...(last?.input ?? [])])
    assert.ok(![...(first?.output ?? [])].some((id) => graph.closed.has(id)), 'they may be scaled')
  })
})
