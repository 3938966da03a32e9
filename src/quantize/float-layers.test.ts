import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomFeeds, testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import type { TensorStatistics } from '../calibrate/index.ts'
import { isOp, layersOf, type Model, printModel, writeModel } from '../onnx/index.ts'
import { optimizedGraph } from '../runtime/index.node.ts'
import { typesOf, withSession } from '../runtime/index.ts'
import { insertQdq } from './insert.ts'
import { quantizeDefaults } from './options.ts'
import { place } from './placement/placement.ts'
import { makePlan } from './plan.ts'

const runtime = await testRuntime()

/** Q/DQ with the second of three layers in float, and the same with nothing hidden from the runtime's optimisers. */
function withFloatLayer(model: Model, high = 3): { readonly written: Model; readonly bare: Model } {
  const name = layersOf(model)[1]?.name ?? ''
  const options = { ...quantizeDefaults, exclude: [name] }
  const written = (takesFloatLayers: boolean) => {
    const { target } = options
    const own = { ...options, target: { ...target, fusion: { ...target.fusion, takesFloatLayers } } }
    const placement = place(model, own, typesOf(model))
    const statistics = new Map(
      [...placement.tensors.values()].map(({ value, bounds }) => [
        value,
        { count: 1, min: Math.max(-3, bounds.low), max: high } as TensorStatistics,
      ]),
    )
    return insertQdq(model, makePlan(model, placement, { statistics, options: own }))
  }
  return { written: written(true), bare: written(false) }
}

async function outputs(model: Model, simulate: boolean) {
  const feeds = randomFeeds(tinyModel(drawings.relu))
  return withSession(
    runtime,
    model,
    { simulate },
    async (session) => (await session.run(feeds))['y']?.data as Float32Array,
  )
}

const ends = 'Conv 1x1 4->8 -> Relu -> a; a -> Conv 3x3 8->8 pads=1,1,1,1'
const drawings = {
  relu: `x[N,4,8,8] -> ${ends} -> Relu -> b; b -> Conv 1x1 8->4 -> y`,
  nothing: `x[N,4,8,8] -> ${ends} -> b; b -> Conv 1x1 8->4 -> y`,
  clip: `x[N,4,8,8] -> ${ends} -> Clip number(0) number(2) -> b; b -> Conv 1x1 8->4 -> y`,
}

describe('a float layer between integer ones', () => {
  for (const [what, drawing] of Object.entries(drawings))
    it(`stays float where ${what} stands behind it, without another pass over its values`, async () => {
      const { written, bare } = withFloatLayer(tinyModel(drawing))
      assert.ok(!written.graph.nodes.some((node) => isOp(node, 'Max')), printModel(written))
      const kernels = async (model: Model) =>
        (await optimizedGraph(runtime, writeModel(model))).graph.nodes.map(({ opType }) => opType)
      assert.equal((await kernels(written)).filter((op) => op === 'QLinearConv').length, 2)
      assert.equal((await kernels(written)).filter((op) => /^(Fused)?Conv$/.test(op)).length, 1)
      // Left as it is, the runtime makes integers of it.
      assert.equal((await kernels(bare)).filter((op) => op === 'QLinearConv').length, 3)
      assert.ok(!(await kernels(written)).some((op) => ['LeakyRelu', 'Relu', 'Clip'].includes(op)))
      const [simulated, as] = [await outputs(written, true), await outputs(bare, true)]
      assert.deepEqual(simulated, as)
    })

  it('keeps a bound that its grid reaches beyond, and is kept apart by a Max', () => {
    const { written } = withFloatLayer(tinyModel(drawings.clip.replace('number(0)', 'number(0.5)')))
    assert.ok(written.graph.nodes.some((node) => isOp(node, 'Clip')))
    assert.ok(written.graph.nodes.some((node) => isOp(node, 'Max')))
  })
})
