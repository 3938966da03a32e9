import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import type { TensorValue } from '../../base/index.ts'
import { randomStream } from '../../math/index.ts'
import { isOp, type Model } from '../../onnx/index.ts'
import { withSession } from '../../runtime/index.ts'
import { crossEntropy } from '../loss/terms.ts'
import type { BatchNormMode } from '../prepare.ts'
import { floatTrainableModel } from '../trainable-model.ts'
import { FEEDS, type TrainingGraph } from '../training-graph.ts'
import { BLOCKED_DOMAIN, blockSize } from './block-size.ts'
import { withBlockedLayout } from './blocked-layout.ts'

const BATCH = 3

async function graphOf(drawing: string, batchNorm: BatchNormMode): Promise<TrainingGraph & { initial: Feeds }> {
  const model = tinyModel(drawing, { opset: 18 })
  const sample: Feeds = {}
  for (const { name, shape = [] } of model.graph.inputs)
    sample[name] = noise(
      shape.map((dim) => (typeof dim === 'number' ? dim : 1)),
      name,
    )
  const options = { train: 'all', batch: BATCH, batchNorm, loss: [crossEntropy()] } as const
  const { graph, initial } = await floatTrainableModel(await testRuntime(), model, sample, options)
  const feeds: Feeds = {}
  for (const { name, dims } of graph.inputs) feeds[name] = noise(dims, name)
  for (const { name, dims } of graph.parameters) feeds[name] = { dtype: 'float32', dims, data: initial.get(name)! }
  feeds[FEEDS.labels] = { dtype: 'int64', dims: [BATCH], data: BigInt64Array.of(0n, 1n, 2n) }
  feeds[FEEDS.rowWeight] = { dtype: 'float32', dims: [BATCH], data: new Float32Array(BATCH).fill(1) }
  return { ...graph, initial: feeds }
}

type Feeds = Record<string, TensorValue>

function noise(dims: readonly number[], purpose: string): TensorValue {
  const random = randomStream(7, purpose)
  return { dtype: 'float32', dims, data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, random.normal) }
}

const runs = async (model: Model, feeds: Feeds) =>
  withSession(await testRuntime(), model, { optimization: 'extended' }, (session) => session.run(feeds))

const head = '-> GlobalAveragePool -> Flatten -> Gemm'
const drawings: Readonly<Record<string, readonly [string, BatchNormMode]>> = {
  'whole blocks, with a residual sum and a Relu behind it': [
    `x[N,16,6,6] -> Conv 3x3 16->16 pads=1,1,1,1 -> a -> Relu -> Conv 3x3 16->16 pads=1,1,1,1 -> Add =x -> Relu ${head} 16->4 -> y`,
    'frozen',
  ],
  'channels that fill no block': [
    `x[N,3,7,7] -> Conv 3x3 3->18 pads=1,1,1,1 -> Relu -> Conv 3x3 18->11 strides=2,2 -> Sigmoid -> Conv 1x1 11->20 -> Clip number(0) number(6) ${head} 20->4 -> y`,
    'frozen',
  ],
  'a division in channels that fill no block': [
    `x[N,3,7,7] -> Conv 3x3 3->18 pads=1,1,1,1 -> Relu -> Conv 3x3 18->18 pads=1,1,1,1 -> Abs -> Sqrt -> Conv 1x1 18->20 ${head} 20->4 -> y`,
    'frozen',
  ],
  'a sum over everything, for whole blocks and for others': [
    `x[N,16,6,6] -> Conv 3x3 16->16 pads=1,1,1,1 -> PRelu floats[1] -> Conv 3x3 16->20 pads=1,1,1,1 -> PRelu floats[1] ${head} 20->4 -> y`,
    'frozen',
  ],
  'depthwise, strided and dilated': [
    `x[N,16,9,9] -> Conv 3x3 16->16 group=16 pads=1,1,1,1 -> Relu -> Conv 3x3 16->16 group=16 strides=2,2 pads=1,1,1,1 -> Relu -> Conv 3x3 16->16 group=16 dilations=2,2 pads=2,2,2,2 ${head} 16->4 -> y`,
    'frozen',
  ],
  'groups of whole blocks, and of less': [
    `x[N,32,5,5] -> Conv 3x3 32->32 group=2 pads=1,1,1,1 -> Relu -> Conv 3x3 32->16 group=4 -> Relu ${head} 16->4 -> y`,
    'frozen',
  ],
  'BatchNorm in training': [
    `x[N,3,6,6] -> Conv 3x3 3->16 pads=1,1,1,1 -> BatchNormalization -> Relu -> Conv 3x3 16->16 group=16 -> BatchNormalization -> Relu ${head} 16->4 -> y`,
    'training',
  ],
}

describe('withBlockedLayout', () => {
  for (const [what, [drawing, mode]] of Object.entries(drawings))
    it(`keeps loss, gradients and statistics: ${what}`, async () => {
      const graph = await graphOf(drawing, mode)
      const size = await blockSize(await testRuntime())
      const blocked = withBlockedLayout(graph.model, graph.shapes, size)
      assert.equal(
        blocked.graph.nodes.some(({ domain }) => domain === BLOCKED_DOMAIN),
        size > 0,
      )
      const [plain, got] = [await runs(graph.model, graph.initial), await runs(blocked, graph.initial)]
      for (const [name, { data, dims }] of Object.entries(plain)) {
        assert.deepEqual([...(got[name]?.dims ?? [])], [...dims], name)
        const [a, b] = [data as Float32Array, got[name]?.data as Float32Array]
        const size = Math.sqrt(a.reduce((sum, value) => sum + value * value, 0))
        const off = Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0))
        assert.ok(off <= 2e-4 * Math.max(size, 1e-2), `${name} is off by ${off} of ${size}`)
      }
    })

  it('changes nothing where the runtime has no blocked convolutions', async () => {
    const graph = await graphOf(drawings['whole blocks, with a residual sum and a Relu behind it']![0], 'frozen')
    assert.equal(withBlockedLayout(graph.model, graph.shapes, 0), graph.model)
  })

  it('takes over the sum and the Relu behind a convolution', async () => {
    const graph = await graphOf(drawings['whole blocks, with a residual sum and a Relu behind it']![0], 'frozen')
    const { nodes } = withBlockedLayout(graph.model, graph.shapes, 16).graph
    assert.equal(nodes.filter((node) => isOp(node, 'Relu')).length, 0)
  })
})
