import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { itKeepsTheFunction, itLeavesAlone } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { normalizeGemm } from './normalize-gemm.ts'
import type { RewriteResult } from './rewrite.ts'

const oneGemm = ({ model }: RewriteResult): void => {
  const [node, ...rest] = model.graph.nodes
  assert.deepEqual([node?.opType, rest.length], ['Gemm', 0])
  assert.ok(!node?.attributes.has('alpha') && !node?.attributes.has('beta'))
  const bias = node?.inputs[2]
  if (bias) assert.deepEqual(model.graph.initializers.get(bias)?.shape, [5])
}
const becomesGemm = (drawing: string): void => itKeepsTheFunction(normalizeGemm, drawing, { and: oneGemm })

describe('normalize-gemm', () => {
  becomesGemm('x[N,4] -> Gemm 4->5 alpha=0.5 beta=3.0 -> y')
  becomesGemm('x[N,4] -> Gemm 4->5 transB=1 alpha=-2.0 -> y')
  becomesGemm('x[N,4] -> Gemm 4->5 nobias floats[1,5] beta=0.5 -> y')
  becomesGemm('x[N,4] -> Gemm 4->5 nobias number(3) -> y')
  becomesGemm('x[N,4] -> MatMul 4->5 -> y')
  becomesGemm('x[N,4] -> MatMul 4->5 -> Add floats[5] -> y')
  becomesGemm('x[N,4] -> MatMul 4->5 -> Add floats[1,5] -> y')
  becomesGemm('x[N,4] -> MatMul 4->5 -> Add number(2) -> y')
  itLeavesAlone(normalizeGemm, 'x[N,4] -> Gemm 4->5 -> y')
  itLeavesAlone(normalizeGemm, tinyModel('x[N,4] -> MatMul 4->5 -> y', { opset: 9 }), /without bias has no form/)
  itLeavesAlone(normalizeGemm, 'x[N,3,4] -> MatMul 4->5 -> Add floats[5] -> y')
  itLeavesAlone(normalizeGemm, 'x[2,4] -> Gemm 4->5 nobias floats[2,5] -> y', /shape \[2,5\], not one number an output/)
  itLeavesAlone(normalizeGemm, 'x[4,3] -> Gemm 4->5 transA=1 -> y', /transposed/)
})
