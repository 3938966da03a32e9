import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { intAttr, intsAttr } from './attributes.ts'
import { makeNode } from './edit.ts'
import { makeModel } from './make-model.ts'
import type { Attribute, Model, Node } from './model.ts'
import { type PartName, partsOf } from './parts.ts'
import { Tensor } from './tensor.ts'

const value = (name: string) => ({ name, dtype: 'float32' as const, shape: [1, 4] })
const weight = (...shape: number[]) => Tensor.from('float32', shape, Array(shape.reduce((a, b) => a * b, 1)).fill(1))
const node = (op: string, inputs: string[], output: string, attributes: Record<string, Attribute> = {}): Node =>
  makeNode({ opType: op, inputs, outputs: [output], attributes })

const parts = (nodes: Node[], initializers: Record<string, Tensor>): Partial<Record<PartName, number>> => {
  const model: Model = makeModel({ name: 'parts', inputs: [value('x')], outputs: [value('y')], nodes, initializers })
  return Object.fromEntries(partsOf(model).map(({ part, parameters }) => [part, parameters]))
}

describe('the parts of a model', () => {
  it('tells attention from feed-forward by the product of two activations, and counts a tied table once', () => {
    const got = parts(
      [
        node('Gather', ['table', 'ids'], 'e'),
        node('MatMul', ['e', 'wq'], 'q0'),
        node('Add', ['q0', 'bq'], 'q'),
        node('MatMul', ['e', 'wk'], 'k0'),
        node('Transpose', ['k0'], 'k', { perm: intsAttr([1, 0]) }),
        node('MatMul', ['e', 'wv'], 'v'),
        node('MatMul', ['q', 'k'], 'scores'),
        node('Softmax', ['scores'], 'p'),
        node('MatMul', ['p', 'v'], 'mixed'),
        node('MatMul', ['mixed', 'wo'], 'o'),
        node('Add', ['o', 'e'], 'r'),
        node('MatMul', ['r', 'w1'], 'h'),
        node('Relu', ['h'], 'a'),
        node('MatMul', ['a', 'w2'], 'f'),
        node('Transpose', ['table'], 'head', { perm: intsAttr([1, 0]) }),
        node('MatMul', ['f', 'head'], 'y'),
      ],
      {
        table: weight(32, 4),
        ids: Tensor.from('int64', [1], new BigInt64Array([1n])),
        wq: weight(4, 4),
        bq: weight(4),
        wk: weight(4, 4),
        wv: weight(4, 4),
        wo: weight(4, 4),
        w1: weight(4, 16),
        w2: weight(16, 4),
      },
    )
    assert.deepEqual(got, { embedding: 128, 'feed-forward': 128, attention: 64, other: 4 })
  })

  it('calls layers of a network without such products linear', () => {
    const got = parts(
      [
        node('Conv', ['x', 'c'], 'a'),
        node('Gemm', ['a', 'w', 'b'], 'g', { transB: intAttr(1) }),
        node('LSTM', ['g', 'wi', 'wr'], 'y'),
      ],
      { c: weight(4, 3, 3, 3), w: weight(8, 4), b: weight(8), wi: weight(1, 8, 4), wr: weight(1, 8, 2) },
    )
    assert.deepEqual(got, { convolution: 108, recurrent: 48, linear: 40 })
  })
})
