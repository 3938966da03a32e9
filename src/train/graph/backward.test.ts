import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { makeNode, Tensor } from '../../onnx/index.ts'
import { testRuntime } from '../../rewrite/battery.node.ts'
import { withBranches } from '../../rewrite/test-models.ts'
import { meanSquare } from '../loss/terms.ts'
import { floatTrainee } from '../trainee.ts'

describe('addGradients', () => {
  it('refuses a path through what a sub-graph reads from outside, and names the If', async () => {
    const model = withBranches([makeNode({ opType: 'Relu', inputs: ['a'], outputs: ['b'] })], 'b')
    const { graph } = model
    graph.nodes.unshift(makeNode({ name: 'bias', opType: 'Gemm', inputs: ['x', 'w', 'c'], outputs: ['a'] }))
    graph.initializers.set('w', Tensor.from('float32', [8, 8], new Float32Array(64).fill(0.1)))
    graph.initializers.set('c', Tensor.from('float32', [8], new Float32Array(8)))
    const sample = { x: { dtype: 'float32' as const, dims: [1, 8], data: new Float32Array(8).fill(1) } }
    const options = { train: 'biases', batch: 1, batchNorm: 'frozen', loss: [meanSquare()] } as const
    await assert.rejects(
      floatTrainee(await testRuntime(), model, sample, options),
      /cannot train "c": node "\w+" is a If, which has no gradient rule/,
    )
  })
})
