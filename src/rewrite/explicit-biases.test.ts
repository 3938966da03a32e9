import { describe } from 'node:test'
import { itKeepsTheFunction, itLeavesAlone } from '../../test/support/rewrite-conformance.ts'
import { explicitBiases } from './explicit-biases.ts'

describe('explicit-biases', () => {
  itKeepsTheFunction(explicitBiases, 'x[N,3,8,8] -> Conv 3x3 3->4 nobias -> y')
  itKeepsTheFunction(explicitBiases, 'x[N,3] -> Gemm 3->4 nobias -> y')
  itLeavesAlone(explicitBiases, 'x[N,3,8,8] -> Conv 3x3 3->4 -> y')
})
