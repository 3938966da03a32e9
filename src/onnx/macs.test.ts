import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { intAttr, stringAttr } from './attributes.ts'
import { makeNode } from './edit.ts'
import { otherProducts } from './macs.ts'
import { makeModel } from './make-model.ts'
import { Tensor } from './tensor.ts'

const zeros = (...shape: number[]) => Tensor.from('float32', shape, new Float32Array(shape.reduce((a, b) => a * b, 1)))
const seen = (shapes: Record<string, readonly number[]>) =>
  new Map(Object.entries(shapes).map(([name, dims]) => [name, { dtype: 'float32' as const, dims }]))

describe('multiplications outside layers', () => {
  it('are those of products of activations, recurrent operators and attention, and not those of layers', () => {
    const model = makeModel({
      name: 'm',
      inputs: [{ name: 'x', dtype: 'float32' }],
      outputs: [{ name: 'y', dtype: 'float32' }],
      nodes: [
        makeNode({ opType: 'LSTM', inputs: ['x', 'w', 'r'], outputs: ['l'], attributes: { hidden_size: intAttr(8) } }),
        makeNode({ opType: 'MatMul', inputs: ['a', 'b'], outputs: ['ab'] }),
        makeNode({ opType: 'MatMul', inputs: ['ab', 'weight'], outputs: ['y'] }),
        makeNode({ opType: 'MultiHeadAttention', domain: 'com.microsoft', inputs: ['q', 'k', 'v'], outputs: ['h'] }),
        makeNode({
          opType: 'Einsum',
          inputs: ['q', 'k'],
          outputs: ['e'],
          attributes: { equation: stringAttr('bqd,bkd->bqk') },
        }),
      ],
      initializers: { w: zeros(1, 32, 4), r: zeros(1, 32, 8), weight: zeros(6, 7) },
    })
    const shapes = seen({
      x: [5, 2, 4],
      a: [2, 3, 4],
      b: [2, 4, 6],
      ab: [2, 3, 6],
      y: [2, 3, 7],
      q: [1, 10, 16],
      k: [1, 20, 16],
    })
    const macs = { LSTM: 5 * 2 * (32 * 4 + 32 * 8), MatMul: 2 * 3 * 6 * 4, MultiHeadAttention: 6400, Einsum: 3200 }
    const found = otherProducts(model, shapes)
    assert.deepEqual(Object.fromEntries(found.ops.map(({ op, macs }) => [op, macs])), macs)
    // The product with a constant weight is a layer.
    assert.equal(
      found.macs,
      Object.values(macs).reduce((a, b) => a + b),
    )
  })

  it('are named and unknown where sizes are, as inside If', () => {
    const branch = makeModel({
      name: 'branch',
      inputs: [],
      outputs: [{ name: 'out', dtype: 'float32' }],
      nodes: [makeNode({ opType: 'MatMul', inputs: ['x', 'weight'], outputs: ['out'] })],
    }).graph
    const model = makeModel({
      name: 'm',
      inputs: [{ name: 'c', dtype: 'bool' }],
      outputs: [{ name: 'y', dtype: 'float32' }],
      nodes: [
        makeNode({
          opType: 'If',
          inputs: ['c'],
          outputs: ['y'],
          attributes: {
            then_branch: { type: 'graph' as const, value: branch },
            else_branch: { type: 'graph' as const, value: branch },
          },
        }),
      ],
    })
    const found = otherProducts(model, new Map())
    assert.deepEqual(found, { ops: [{ op: 'MatMul in If', count: 2 }], macs: undefined })
  })
})
