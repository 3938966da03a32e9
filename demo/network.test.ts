// The network has the form that rewriting is meant to improve, and the trainer learns with it.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openRuntime } from '../src/runtime/index.node.ts'
import { crossEntropy, finetune, floatTrainableModel } from '../src/train/index.ts'
import { drawnSet } from './drawn.ts'
import { demoDesign, networkModel } from './network.ts'

describe('the demo network', () => {
  it('has every BatchNormalization and every ReLU6 as a node of its own', () => {
    const { graph, opsets, irVersion } = networkModel(demoDesign)
    const count = (opType: string) => graph.nodes.filter((node) => node.opType === opType).length
    assert.deepEqual([opsets.get(''), irVersion], [18, 8])
    assert.deepEqual(
      ['Conv', 'BatchNormalization', 'Clip', 'Add', 'GlobalAveragePool', 'Flatten', 'Gemm'].map(count),
      [22, 22, 15, 5, 1, 1, 1],
    )
    assert.ok(graph.nodes.every((node) => node.opType !== 'Conv' || node.inputs.length === 2))
  })

  it('learns a few pictures by heart', async () => {
    const runtime = await openRuntime({ threads: 1 })
    try {
      const small = { stem: 8, blocks: demoDesign.blocks.slice(0, 2), head: 16, classes: 10 }
      const dataset = drawnSet(1, 'a few', 10, true)
      const model = networkModel(small)
      const trainable = await floatTrainableModel(runtime, model, (await dataset.sample(0)).inputs, {
        train: 'all',
        batch: 10,
        batchNorm: 'training',
        loss: [crossEntropy()],
        fromScratch: 1,
      })
      const indices = Array.from({ length: 10 }, (_, i) => i)
      const { result } = await finetune(
        runtime,
        trainable,
        { dataset, indices },
        { epochs: 40, batch: 10, rate: 0.01, seed: 1 },
      )
      const losses = result.history.map(({ loss }) => loss)
      assert.ok(losses.at(-1)! < 0.3 * losses[0]!, `from ${losses[0]} to ${losses.at(-1)}`)
    } finally {
      await runtime.close()
    }
  })
})
