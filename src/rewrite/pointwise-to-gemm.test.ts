import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { contextOf, itKeepsTheFunction, itLeavesAlone } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { pointwiseToGemm } from './pointwise-to-gemm.ts'

const becomes = (drawing: string, ...ops: string[]): void =>
  itKeepsTheFunction(pointwiseToGemm, drawing, {
    and: ({ model }) =>
      assert.deepEqual(
        model.graph.nodes.map((node) => node.opType),
        ops,
      ),
  })

describe('pointwise-to-gemm', () => {
  becomes('x[N,8,5,5] -> GlobalAveragePool -> Conv 1x1 8->10 -> Flatten -> y', 'GlobalAveragePool', 'Flatten', 'Gemm')
  becomes(
    'x[N,8,H,W] -> GlobalMaxPool -> Conv 1x1 8->10 nobias -> Reshape ints(0,-1) -> Softmax -> y',
    'GlobalMaxPool',
    'Flatten',
    'Gemm',
    'Softmax',
  )
  becomes(
    'x[N,8,H,W] -> ReduceMean axes=-1,-2 -> Conv 1x1 8->10 -> Squeeze ints(2,3) -> y',
    'ReduceMean',
    'Flatten',
    'Gemm',
  )
  becomes('x[N,8,5,5] -> GlobalAveragePool -> Conv 1x1 8->10 -> y', 'GlobalAveragePool', 'Flatten', 'Gemm', 'Reshape')
  becomes('x[N,8,5,5] -> AveragePool 5x5 -> Conv 1x1 8->10 -> Flatten -> y', 'AveragePool', 'Flatten', 'Gemm')
  becomes(
    'x[N,8,5,5] -> GlobalAveragePool -> Conv 1x1 8->4 -> c!; c -> Flatten -> y',
    'GlobalAveragePool',
    'Flatten',
    'Gemm',
    'Reshape',
  )
  // Squeeze and excitation: one Flatten, one Reshape, activations on the matrix.
  becomes(
    'x[N,8,H,W] -> GlobalAveragePool -> Conv 1x1 8->4 -> Relu -> Conv 1x1 4->8 -> HardSigmoid -> s; x,s -> Mul -> y',
    'GlobalAveragePool',
    'Flatten',
    'Gemm',
    'Relu',
    'Gemm',
    'HardSigmoid',
    'Reshape',
    'Mul',
  )
  itLeavesAlone(pointwiseToGemm, 'x[N,8,5,5] -> Conv 1x1 8->10 -> y')
  itLeavesAlone(pointwiseToGemm, 'x[N,8,5,5] -> GlobalAveragePool -> Conv 1x1 8->8 group=2 -> y')
  itLeavesAlone(pointwiseToGemm, 'x[N,8,5,5] -> GlobalAveragePool -> Conv 1x1 8->8 pads=1,1,1,1 -> y')
  // 1×1 for the size that was observed, but not for every size.
  itLeavesAlone(pointwiseToGemm, 'x[N,8,H,W] -> AveragePool 7x7 -> Conv 1x1 8->10 -> y')

  it('hands the statistics of the Conv on to the Gemm', async () => {
    const model = tinyModel('x[N,8,5,5] -> GlobalAveragePool -> Conv 1x1 8->2 -> c; c -> Flatten -> y')
    const known = { mean: Float64Array.of(1, 2), deviation: Float64Array.of(1, 1), source: 'batch-norm' } as const
    const { shapes } = await contextOf(model)
    const result = pointwiseToGemm.apply(model, { shapes, statistics: new Map([['c', known]]) })
    const gemm = result.model.graph.nodes.find((node) => node.opType === 'Gemm')
    assert.equal(result.statistics.get(gemm?.outputs[0] ?? ''), known)
    assert.equal(result.statistics.size, 1)
  })
})
