import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fourBits } from '../../../test/support/four-bits.ts'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { randomStream } from '../../math/index.ts'
import { type Model, opsetOf } from '../../onnx/index.ts'
import { type Values, withSession } from '../../runtime/index.ts'
import { roundBlocks } from './round-blocks.ts'

const net = () =>
  tinyModel(
    'x[N,3,8,8] -> Conv 3x3 3->8 pads=1,1,1,1 -> Relu -> a -> Conv 3x3 8->8 pads=1,1,1,1 -> Relu -> Conv 1x1 8->8 -> Add =a -> Relu -> GlobalAveragePool -> Flatten -> Gemm 8->4 -> y',
    { opset: 18 },
  )

/** Neighbours alike, as in pictures: what learned roundings live on. */
function smooth(seed: number): Values {
  const random = randomStream(seed, 'smooth')
  const data = new Float32Array(8 * 192)
  for (let i = 0; i < data.length; i++) data[i] = 0.95 * (data[i - 1] ?? 0) + 0.3 * random.normal()
  return { x: { dtype: 'float32', dims: [8, 3, 8, 8], data } }
}

describe('roundBlocks', () => {
  it('lowers the error at the end of blocks and of the network on unseen samples, changing codes alone', async () => {
    const batches = Array.from({ length: 12 }, (_, seed) => smooth(seed))
    const model = net()
    assert.equal(opsetOf(model), 18)
    const { plan, file } = await fourBits(model, batches.slice(0, 4))
    const rounded = await roundBlocks(await testRuntime(), { float: model, quantized: file, plan }, batches, {
      iterations: 150,
    })
    assert.ok(
      rounded.blocks.some(({ after, before }) => after < 0.8 * before),
      rounded.blocks.map(({ before, after }) => `${before} → ${after}`).join(', '),
    )
    const unseen = Array.from({ length: 8 }, (_, seed) => smooth(100 + seed))
    const outputs = async (which: Model) =>
      withSession(await testRuntime(), which, { simulate: true }, async (session) => {
        const all: number[] = []
        for (const batch of unseen) all.push(...Array.from((await session.run(batch))['y']!.data, Number))
        return all
      })
    const aims = await outputs(model)
    const error = (got: number[]) => got.reduce((sum, value, i) => sum + (value - aims[i]!) ** 2, 0)
    const [before, later] = [error(await outputs(file)), error(await outputs(rounded.model))]
    assert.ok(later < 0.8 * before, `${before} → ${later}`)
    for (const [name, tensor] of rounded.model.graph.initializers)
      if (!name.endsWith('/weight/q')) assert.equal(tensor, file.graph.initializers.get(name), name)
      else
        assert.ok(
          tensor.numbers().every((code) => Math.abs(code) <= 7),
          name,
        )
  })

  it('keeps the codes of a block that gains nothing', async () => {
    const batches = Array.from({ length: 4 }, (_, seed) => smooth(seed))
    const model = net()
    const { plan, file } = await fourBits(model, batches)
    const rounded = await roundBlocks(await testRuntime(), { float: model, quantized: file, plan }, batches, {
      iterations: 1,
      rate: 1e-9,
    })
    assert.deepEqual(
      rounded.blocks.map(({ before, after, changed }) => [after - before, changed]),
      rounded.blocks.map(() => [0, 0]),
    )
    assert.equal(rounded.model, file)
  })
})
