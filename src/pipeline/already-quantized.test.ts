import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UnsupportedError } from '../base/index.ts'
import { intAttr, type Model, makeModel, makeNode, type Node, Tensor } from '../onnx/index.ts'
import { refuseQuantized } from './already-quantized.ts'

const codes = (size: number) => Tensor.from('int8', [size, size], new Int8Array(size * size).fill(3))
const floats = (size: number) => Tensor.from('float32', [size, size], new Float32Array(size * size).fill(0.1))
const one = Tensor.scalar(1)
const zero = Tensor.from('int8', [], [0])

function model(nodes: readonly Node[], initializers: Readonly<Record<string, Tensor>>): Model {
  return makeModel({
    name: 'quantised',
    inputs: [{ name: 'x', dtype: 'float32', shape: ['N', 8] }],
    outputs: [{ name: 'y', dtype: 'float32' }],
    nodes,
    initializers: { one, zero, ...initializers },
  })
}

const node = (opType: string, inputs: string[], outputs: string[], domain = '') =>
  makeNode({ opType, inputs, outputs, domain })

const dequantized = [node('DequantizeLinear', ['q', 'one', 'zero'], ['w']), node('MatMul', ['x', 'w'], ['y'])]
const fake = [
  node('QuantizeLinear', ['f', 'one', 'zero'], ['q']),
  node('DequantizeLinear', ['q', 'one', 'zero'], ['w']),
  node('Transpose', ['w'], ['t']),
  node('MatMul', ['x', 't'], ['y']),
]
const dynamic = [
  node('DynamicQuantizeLinear', ['x'], ['a', 'b', 'c']),
  node('MatMulInteger', ['a', 'q', 'c'], ['i']),
  node('Cast', ['i'], ['y']),
]

describe('already quantised', () => {
  for (const [name, nodes, initializers] of [
    ['Q/DQ', dequantized, { q: codes(8) }],
    ['a fake-quantised float weight behind Transpose', fake, { f: floats(8) }],
    ['dynamic', dynamic, { q: codes(8) }],
    ['MatMulNBits', [node('MatMulNBits', ['x', 'q', 'one'], ['y'], 'com.microsoft')], { q: codes(8) }],
    [
      'QLinearConv',
      [node('QLinearConv', ['x', 'one', 'zero', 'q', 'one', 'zero', 'one', 'zero'], ['y'])],
      { q: codes(8) },
    ],
  ] as const)
    it(`is refused: ${name}`, () => {
      assert.throws(
        () => refuseQuantized(model(nodes, initializers), 'm.onnx', 'quantise'),
        (error) =>
          error instanceof UnsupportedError &&
          error.exitCode === 4 &&
          /quantised already, 1 of its 1 weighted node hold/.test(error.message.replace('nodes', 'node')),
      )
    })

  it('is a note when most numbers are still float', () => {
    const mixed = model(
      [...dequantized.slice(0, 1), node('MatMul', ['x', 'w'], ['h']), node('MatMul', ['h', 'f'], ['y'])],
      {
        q: codes(8),
        f: floats(64),
      },
    )
    assert.match(
      refuseQuantized(mixed, 'm.onnx', 'quantise') ?? '',
      /1 of its 2 weighted nodes hold integer weights already/,
    )
  })

  it('does not count a pair around an input, nor products of activations', () => {
    const pair = model(
      [
        node('QuantizeLinear', ['x', 'one', 'zero'], ['xq']),
        node('DequantizeLinear', ['xq', 'one', 'zero'], ['xd']),
        node('MatMul', ['xd', 'f'], ['h']),
        node('MatMul', ['h', 'xd'], ['y']),
      ],
      { f: floats(8) },
    )
    assert.equal(refuseQuantized(pair, 'm.onnx', 'quantise'), undefined)
  })

  it('finds layers inside branches, whose weights lie outside', () => {
    const inner = model(dequantized, {}).graph
    inner.inputs.length = 0
    for (const name of ['one', 'zero']) inner.initializers.delete(name)
    const branch = makeNode({
      opType: 'If',
      inputs: ['condition'],
      outputs: ['y'],
      attributes: { then_branch: { type: 'graph', value: inner }, else_branch: { type: 'graph', value: inner } },
    })
    assert.throws(
      () =>
        refuseQuantized(
          model([branch], { q: codes(8), condition: Tensor.from('bool', [], [1]) }),
          'm.onnx',
          'compress',
        ),
      /cannot compress m.onnx: it is quantised already, 2 of its 2 weighted nodes/,
    )
  })

  it('lets Q/DQ pass where only integer operators are in the way', () => {
    const matrix = makeNode({ opType: 'Gemm', inputs: ['x', 'w'], outputs: ['y'], attributes: { transB: intAttr(1) } })
    const qdq = model([...dequantized.slice(0, 1), matrix], { q: codes(8) })
    assert.equal(refuseQuantized(qdq, 'm.onnx', 'train', 'operator'), undefined)
    assert.throws(
      () => refuseQuantized(model(dynamic, { q: codes(8) }), 'm.onnx', 'train', 'operator'),
      UnsupportedError,
    )
  })
})
