// The exported file computes what the trainer computes, and has the form that rewriting is meant to improve.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { float32Of } from '../src/base/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { withSession } from '../src/runtime/index.ts'
import { drawSet } from './draw.ts'
import { exportModel } from './export.ts'
import { demoDesign, makeNetwork } from './network.ts'
import { normalizePixel } from './preprocess.ts'
import { inputOf } from './train.ts'

const small = { stem: 6, blocks: demoDesign.blocks.slice(0, 3), head: 10, classes: 10 }

describe('the exported model', () => {
  it('gives the logits of the network once the running statistics are those of the batch', async () => {
    const network = makeNetwork(small, 1)
    const pictures = drawSet(1, 'export', 8)
    let logits = network.forward(inputOf(pictures))
    for (let i = 0; i < 300; i++) logits = network.forward(inputOf(pictures))

    const data = Float32Array.from(pictures.flatMap(({ planes }) => Array.from(planes, normalizePixel)))
    const image = { dtype: 'float32' as const, dims: [8, 3, 32, 32], data }
    const runtime = await openRuntime({ threads: 1 })
    try {
      const outputs = await withSession(runtime, exportModel(network), {}, (session) => session.run({ image }))
      const got = float32Of(outputs['logits']!)
      const largest = Math.max(...logits.data.map(Math.abs))
      logits.data.forEach((value, i) => {
        assert.ok(Math.abs(value - got[i]!) < 1e-3 * largest, `logit ${i} is ${got[i]}, expected ${value}`)
      })
    } finally {
      await runtime.close()
    }
  })

  it('has every BatchNormalization and every ReLU6 as a node of its own', () => {
    const { graph, opsets, irVersion } = exportModel(makeNetwork(demoDesign, 1))
    const count = (opType: string) => graph.nodes.filter((node) => node.opType === opType).length
    assert.deepEqual([opsets.get(''), irVersion], [17, 8])
    assert.deepEqual(
      ['Conv', 'BatchNormalization', 'Clip', 'Add', 'GlobalAveragePool', 'Flatten', 'Gemm'].map(count),
      [22, 22, 15, 5, 1, 1, 1],
    )
    assert.ok(graph.nodes.every((node) => node.opType !== 'Conv' || node.inputs.length === 2))
    assert.deepEqual([graph.initializers.get('relu6.min')?.shape, graph.initializers.get('relu6.max')?.shape], [[], []])
  })
})
